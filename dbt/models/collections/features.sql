-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.active as active,
    typed.livemode as livemode,
    typed.lookup_key as lookup_key,
    typed.metadata as metadata,
    typed.name as name,
    typed.object as object,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'features') }} as typed
