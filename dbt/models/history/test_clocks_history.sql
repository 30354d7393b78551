-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    events.event_type = 'deleted' as deleted,
    stripe_sync.json_bigint(p."deletes_after") as deletes_after,
    stripe_sync.json_moment(p."deletes_after") as deletes_after_ts,
    stripe_sync.json_bigint(p."frozen_time") as frozen_time,
    stripe_sync.json_moment(p."frozen_time") as frozen_time_ts,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."name") as name,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_text(p."status") as status,
    stripe_sync.json_value(p."status_details") as status_details,
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
    "deleted" jsonb,
    "deletes_after" jsonb,
    "frozen_time" jsonb,
    "livemode" jsonb,
    "name" jsonb,
    "object" jsonb,
    "status" jsonb,
    "status_details" jsonb
)
where events.collection_id = 'stripe:test_helpers.test_clock'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
