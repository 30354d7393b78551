-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    stripe_sync.json_value(payload.object -> 'items') as items,
    typed.livemode as livemode,
    typed.object as object,
    typed."order" as "order",
    typed.refund as refund,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'order_returns') }} as typed
{{ join_payload('stripe:order_return', 'typed.id') }}
