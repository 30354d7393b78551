-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_text('country') }} as country,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_id('customer') }} as customer,
    {{ as_text('customer_account') }} as customer_account,
    {{ as_boolean('deleted') }} as deleted,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('object') }} as object,
    {{ as_json('owner') }} as owner,
    {{ as_text('type') }} as type,
    {{ as_text('value') }} as value,
    {{ as_json('verification') }} as verification,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:tax_id'
