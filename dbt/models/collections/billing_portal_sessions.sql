-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_json('after_expiration') }} as after_expiration,
    {{ as_id('configuration') }} as configuration,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_text('customer') }} as customer,
    {{ as_text('customer_account') }} as customer_account,
    {{ as_json('flow') }} as flow,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('locale') }} as locale,
    {{ as_text('object') }} as object,
    {{ as_text('on_behalf_of') }} as on_behalf_of,
    {{ as_text('return_url') }} as return_url,
    {{ as_text('url') }} as url,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:billing_portal.session'
