-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_text('checkout_session') }} as checkout_session,
    {{ as_id('customer') }} as customer,
    {{ as_text('customer_account') }} as customer_account,
    {{ as_boolean('deleted') }} as deleted,
    {{ as_bigint('end') }} as "end",
    {{ as_timestamp('end') }} as end_ts,
    {{ as_text('invoice') }} as invoice,
    {{ as_text('invoice_item') }} as invoice_item,
    {{ as_text('object') }} as object,
    {{ as_id('promotion_code') }} as promotion_code,
    {{ as_json('source') }} as source,
    {{ as_bigint('start') }} as start,
    {{ as_timestamp('start') }} as start_ts,
    {{ as_text('subscription') }} as subscription,
    {{ as_text('subscription_item') }} as subscription_item,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:discount'
