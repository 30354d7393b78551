-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    typed.balance_transaction as balance_transaction,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed.fee as fee,
    typed.metadata as metadata,
    typed.object as object,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'fee_refunds') }} as typed
