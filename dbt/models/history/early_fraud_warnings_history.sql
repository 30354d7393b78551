-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_boolean(p."actionable") as actionable,
    stripe_sync.json_id(p."charge") as charge,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."fraud_type") as fraud_type,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_id(p."payment_intent") as payment_intent,
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
    "actionable" jsonb,
    "charge" jsonb,
    "created" jsonb,
    "fraud_type" jsonb,
    "livemode" jsonb,
    "object" jsonb,
    "payment_intent" jsonb
)
where events.collection_id = 'stripe:radar.early_fraud_warning'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
