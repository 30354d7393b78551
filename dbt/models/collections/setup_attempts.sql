-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.application as application,
    typed.attach_to_self as attach_to_self,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.customer as customer,
    typed.customer_account as customer_account,
    stripe_sync.json_value(payload.object -> 'flow_directions') as flow_directions,
    typed.livemode as livemode,
    typed.object as object,
    typed.on_behalf_of as on_behalf_of,
    typed.payment_method as payment_method,
    stripe_sync.json_value(payload.object -> 'payment_method_details') as payment_method_details,
    stripe_sync.json_value(payload.object -> 'setup_error') as setup_error,
    typed.setup_intent as setup_intent,
    typed.status as status,
    typed.usage as usage,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'setup_attempts') }} as typed
{{ join_payload('stripe:setup_attempt', 'typed.id') }}
