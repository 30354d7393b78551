-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    typed.checkout_session as checkout_session,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.credit_note as credit_note,
    typed.currency as currency,
    typed.customer as customer,
    typed.customer_account as customer_account,
    typed.description as description,
    typed.ending_balance as ending_balance,
    typed.invoice as invoice,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.object as object,
    typed.type as type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'customer_balance_transactions') }} as typed
