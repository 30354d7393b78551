-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.actionable as actionable,
    typed.charge as charge,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.fraud_type as fraud_type,
    typed.livemode as livemode,
    typed.object as object,
    typed.payment_intent as payment_intent,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'early_fraud_warnings') }} as typed
