-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.livemode as livemode,
    typed.object as object,
    typed.quantity as quantity,
    typed.subscription_item as subscription_item,
    typed.timestamp as timestamp,
    typed.timestamp_ts as timestamp_ts,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'usage_records') }} as typed
