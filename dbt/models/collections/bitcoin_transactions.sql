-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    typed.bitcoin_amount as bitcoin_amount,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed.object as object,
    typed.receiver as receiver,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'bitcoin_transactions') }} as typed
