-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    stripe_sync.json_value(payload.object -> 'customer_acceptance') as customer_acceptance,
    typed.livemode as livemode,
    stripe_sync.json_value(payload.object -> 'multi_use') as multi_use,
    typed.object as object,
    typed.on_behalf_of as on_behalf_of,
    typed.payment_method as payment_method,
    stripe_sync.json_value(payload.object -> 'payment_method_details') as payment_method_details,
    stripe_sync.json_value(payload.object -> 'single_use') as single_use,
    typed.status as status,
    typed.type as type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'mandates') }} as typed
{{ join_payload('stripe:mandate', 'typed.id') }}
