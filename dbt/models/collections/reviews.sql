-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.billing_zip as billing_zip,
    typed.charge as charge,
    typed.closed_reason as closed_reason,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.ip_address as ip_address,
    stripe_sync.json_value(payload.object -> 'ip_address_location') as ip_address_location,
    typed.livemode as livemode,
    typed.object as object,
    typed.open as open,
    typed.opened_reason as opened_reason,
    typed.payment_intent as payment_intent,
    typed.reason as reason,
    stripe_sync.json_value(payload.object -> 'session') as session,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'reviews') }} as typed
{{ join_payload('stripe:review', 'typed.id') }}
