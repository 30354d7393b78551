-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_boolean('active') }} as active,
    {{ as_text('code') }} as code,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_id('customer') }} as customer,
    {{ as_text('customer_account') }} as customer_account,
    {{ as_bigint('expires_at') }} as expires_at,
    {{ as_timestamp('expires_at') }} as expires_at_ts,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_bigint('max_redemptions') }} as max_redemptions,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('object') }} as object,
    {{ as_json('promotion') }} as promotion,
    {{ as_json('restrictions') }} as restrictions,
    {{ as_bigint('times_redeemed') }} as times_redeemed,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:promotion_code'
