-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_text('billing_zip') }} as billing_zip,
    {{ as_id('charge') }} as charge,
    {{ as_text('closed_reason') }} as closed_reason,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_text('ip_address') }} as ip_address,
    {{ as_json('ip_address_location') }} as ip_address_location,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('object') }} as object,
    {{ as_boolean('open') }} as open,
    {{ as_text('opened_reason') }} as opened_reason,
    {{ as_id('payment_intent') }} as payment_intent,
    {{ as_text('reason') }} as reason,
    {{ as_json('session') }} as session,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:review'
