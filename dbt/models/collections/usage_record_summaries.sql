-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    {{ as_text('id') }} as id,
    {{ as_id('invoice') }} as invoice,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('object') }} as object,
    {{ as_json('period') }} as period,
    {{ as_id('subscription_item') }} as subscription_item,
    {{ as_bigint('total_usage') }} as total_usage,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:usage_record_summary'
