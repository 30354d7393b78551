-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.bank_account as bank_account,
    typed.card as card,
    typed.client_ip as client_ip,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.livemode as livemode,
    typed.object as object,
    typed.type as type,
    typed.used as used,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'tokens') }} as typed
