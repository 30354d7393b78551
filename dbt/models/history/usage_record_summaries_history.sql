-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    stripe_sync.json_text(p."id") as id,
    stripe_sync.json_id(p."invoice") as invoice,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_value(p."period") as period,
    stripe_sync.json_id(p."subscription_item") as subscription_item,
    stripe_sync.json_bigint(p."total_usage") as total_usage,
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
    "invoice" jsonb,
    "livemode" jsonb,
    "object" jsonb,
    "period" jsonb,
    "subscription_item" jsonb,
    "total_usage" jsonb
)
where events.collection_id = 'stripe:usage_record_summary'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
