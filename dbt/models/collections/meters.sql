-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.created as created,
    typed.created_ts as created_ts,
    stripe_sync.json_value(payload.object -> 'customer_mapping') as customer_mapping,
    stripe_sync.json_value(payload.object -> 'default_aggregation') as default_aggregation,
    typed.display_name as display_name,
    typed.event_name as event_name,
    typed.event_time_window as event_time_window,
    typed.livemode as livemode,
    typed.object as object,
    typed.status as status,
    stripe_sync.json_value(payload.object -> 'status_transitions') as status_transitions,
    typed.updated as updated,
    typed.updated_ts as updated_ts,
    stripe_sync.json_value(payload.object -> 'value_settings') as value_settings,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'meters') }} as typed
{{ join_payload('stripe:billing.meter', 'typed.id') }}
