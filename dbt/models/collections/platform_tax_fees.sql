-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_text('account') }} as account,
    {{ as_text('object') }} as object,
    {{ as_id('source_transaction') }} as source_transaction,
    {{ as_text('type') }} as type,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:platform_tax_fee'
