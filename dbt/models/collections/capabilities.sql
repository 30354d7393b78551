-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.account as account,
    stripe_sync.json_value(payload.object -> 'future_requirements') as future_requirements,
    typed.object as object,
    typed.requested as requested,
    typed.requested_at as requested_at,
    typed.requested_at_ts as requested_at_ts,
    stripe_sync.json_value(payload.object -> 'requirements') as requirements,
    typed.status as status,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'capabilities') }} as typed
{{ join_payload('stripe:capability', 'typed._upstream_id') }}
