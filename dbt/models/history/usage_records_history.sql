-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_bigint(p."quantity") as quantity,
    stripe_sync.json_id(p."subscription_item") as subscription_item,
    stripe_sync.json_bigint(p."timestamp") as timestamp,
    stripe_sync.json_moment(p."timestamp") as timestamp_ts,
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
    "livemode" jsonb,
    "object" jsonb,
    "quantity" jsonb,
    "subscription_item" jsonb,
    "timestamp" jsonb
)
where events.collection_id = 'stripe:usage_record'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
