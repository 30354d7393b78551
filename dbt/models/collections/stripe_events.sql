-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.account as account,
    typed.api_version as api_version,
    typed.context as context,
    typed.created as created,
    typed.created_ts as created_ts,
    stripe_sync.json_value(payload.object -> 'data') as data,
    typed.livemode as livemode,
    typed.object as object,
    typed.pending_webhooks as pending_webhooks,
    stripe_sync.json_value(payload.object -> 'request') as request,
    typed.type as type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'stripe_events') }} as typed
{{ join_payload('stripe:event', 'typed.id') }}
