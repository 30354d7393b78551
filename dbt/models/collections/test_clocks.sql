-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.created as created,
    typed.created_ts as created_ts,
    typed._deleted as deleted,
    typed.deletes_after as deletes_after,
    typed.deletes_after_ts as deletes_after_ts,
    typed.frozen_time as frozen_time,
    typed.frozen_time_ts as frozen_time_ts,
    typed.livemode as livemode,
    typed.name as name,
    typed.object as object,
    typed.status as status,
    stripe_sync.json_value(payload.object -> 'status_details') as status_details,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'test_clocks') }} as typed
{{ join_payload('stripe:test_helpers.test_clock', 'typed.id') }}
