-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('object') }} as object,
    {{ as_bigint('quantity') }} as quantity,
    {{ as_id('subscription_item') }} as subscription_item,
    {{ as_bigint('timestamp') }} as timestamp,
    {{ as_timestamp('timestamp') }} as timestamp_ts,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:usage_record'
