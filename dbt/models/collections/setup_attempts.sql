-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_id('application') }} as application,
    {{ as_boolean('attach_to_self') }} as attach_to_self,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_id('customer') }} as customer,
    {{ as_text('customer_account') }} as customer_account,
    {{ as_json('flow_directions') }} as flow_directions,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('object') }} as object,
    {{ as_id('on_behalf_of') }} as on_behalf_of,
    {{ as_id('payment_method') }} as payment_method,
    {{ as_json('payment_method_details') }} as payment_method_details,
    {{ as_json('setup_error') }} as setup_error,
    {{ as_id('setup_intent') }} as setup_intent,
    {{ as_text('status') }} as status,
    {{ as_text('usage') }} as usage,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:setup_attempt'
