-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_value(p."customer_mapping") as customer_mapping,
    stripe_sync.json_value(p."default_aggregation") as default_aggregation,
    stripe_sync.json_text(p."display_name") as display_name,
    stripe_sync.json_text(p."event_name") as event_name,
    stripe_sync.json_text(p."event_time_window") as event_time_window,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_text(p."status") as status,
    stripe_sync.json_value(p."status_transitions") as status_transitions,
    stripe_sync.json_bigint(p."updated") as updated,
    stripe_sync.json_moment(p."updated") as updated_ts,
    stripe_sync.json_value(p."value_settings") as value_settings,
    events.upstream_updated_at as valid_from,
    lead(events.upstream_updated_at) over versions as valid_to,
    lead(events.seq) over versions is null as is_current,
    events.event_type = 'deleted' as _deleted,
    events.sync_id as _sync_id,
    events.seq as _seq,
    events.id as _event_id
from {{ source('stripe_raw', 'events') }} as events
cross join lateral jsonb_to_record(events.data) as p (
    "id" jsonb,
    "created" jsonb,
    "customer_mapping" jsonb,
    "default_aggregation" jsonb,
    "display_name" jsonb,
    "event_name" jsonb,
    "event_time_window" jsonb,
    "livemode" jsonb,
    "object" jsonb,
    "status" jsonb,
    "status_transitions" jsonb,
    "updated" jsonb,
    "value_settings" jsonb
)
where events.collection_id = 'stripe:billing.meter'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
