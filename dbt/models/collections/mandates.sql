-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    payload.customer_acceptance as customer_acceptance,
    typed.livemode as livemode,
    payload.multi_use as multi_use,
    typed.object as object,
    typed.on_behalf_of as on_behalf_of,
    typed.payment_method as payment_method,
    payload.payment_method_details as payment_method_details,
    payload.single_use as single_use,
    typed.status as status,
    typed.type as type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'mandates') }} as typed
{{ join_payload('stripe:mandate', 'typed.id', [
    'customer_acceptance',
    'multi_use',
    'payment_method_details',
    'single_use',
]) }}
