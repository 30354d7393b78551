-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_json('customer_acceptance') }} as customer_acceptance,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_json('multi_use') }} as multi_use,
    {{ as_text('object') }} as object,
    {{ as_text('on_behalf_of') }} as on_behalf_of,
    {{ as_id('payment_method') }} as payment_method,
    {{ as_json('payment_method_details') }} as payment_method_details,
    {{ as_json('single_use') }} as single_use,
    {{ as_text('status') }} as status,
    {{ as_text('type') }} as type,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:mandate'
