-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    stripe_sync.json_value(payload.object -> 'balance_transactions') as balance_transactions,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    stripe_sync.json_value(payload.object -> 'evidence') as evidence,
    typed.livemode as livemode,
    typed.loss_reason as loss_reason,
    typed.metadata as metadata,
    typed.object as object,
    typed.status as status,
    typed.transaction as transaction,
    stripe_sync.json_value(payload.object -> 'treasury') as treasury,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'issuing_disputes') }} as typed
{{ join_payload('stripe:issuing.dispute', 'typed.id') }}
