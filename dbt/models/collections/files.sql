-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.expires_at as expires_at,
    typed.expires_at_ts as expires_at_ts,
    typed.filename as filename,
    stripe_sync.json_value(payload.object -> 'links') as links,
    typed.object as object,
    typed.purpose as purpose,
    typed.size as size,
    typed.title as title,
    typed.type as type,
    typed.url as url,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'files') }} as typed
{{ join_payload('stripe:file', 'typed.id') }}
