-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_id('account') }} as account,
    {{ as_text('account_holder_name') }} as account_holder_name,
    {{ as_text('account_holder_type') }} as account_holder_type,
    {{ as_text('account_type') }} as account_type,
    {{ as_json('available_payout_methods') }} as available_payout_methods,
    {{ as_text('bank_name') }} as bank_name,
    {{ as_text('country') }} as country,
    {{ as_text('currency') }} as currency,
    {{ as_id('customer') }} as customer,
    {{ as_boolean('default_for_currency') }} as default_for_currency,
    {{ as_boolean('deleted') }} as deleted,
    {{ as_text('fingerprint') }} as fingerprint,
    {{ as_json('future_requirements') }} as future_requirements,
    {{ as_text('last4') }} as last4,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('object') }} as object,
    {{ as_json('requirements') }} as requirements,
    {{ as_text('routing_number') }} as routing_number,
    {{ as_text('status') }} as status,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:bank_account'
