-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    stripe_sync.json_value(payload.object -> 'billing') as billing,
    stripe_sync.json_value(payload.object -> 'company') as company,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.email as email,
    stripe_sync.json_value(payload.object -> 'individual') as individual,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.name as name,
    typed.object as object,
    typed.phone_number as phone_number,
    stripe_sync.json_value(payload.object -> 'preferred_locales') as preferred_locales,
    stripe_sync.json_value(payload.object -> 'requirements') as requirements,
    stripe_sync.json_value(payload.object -> 'spending_controls') as spending_controls,
    typed.status as status,
    typed.type as type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'issuing_cardholders') }} as typed
{{ join_payload('stripe:issuing.cardholder', 'typed.id') }}
