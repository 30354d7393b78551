-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.error as error,
    typed.livemode as livemode,
    typed.object as object,
    stripe_sync.json_value(payload.object -> 'parameters') as parameters,
    typed.report_type as report_type,
    typed.result as result,
    typed.status as status,
    typed.succeeded_at as succeeded_at,
    typed.succeeded_at_ts as succeeded_at_ts,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'report_runs') }} as typed
{{ join_payload('stripe:reporting.report_run', 'typed.id') }}
