-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    typed.authenticated as authenticated,
    stripe_sync.json_value(payload.object -> 'card') as card,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed.livemode as livemode,
    typed.object as object,
    typed.redirect_url as redirect_url,
    typed.status as status,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'three_d_secures') }} as typed
{{ join_payload('stripe:three_d_secure', 'typed.id') }}
