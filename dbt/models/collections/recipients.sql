-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    stripe_sync.json_value(payload.object -> 'active_account') as active_account,
    stripe_sync.json_value(payload.object -> 'cards') as cards,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.default_card as default_card,
    typed.description as description,
    typed.email as email,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.migrated_to as migrated_to,
    typed.name as name,
    typed.object as object,
    typed.type as type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'recipients') }} as typed
{{ join_payload('stripe:recipient', 'typed.id') }}
