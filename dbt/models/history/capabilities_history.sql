-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    stripe_sync.json_text(p."id") as id,
    stripe_sync.json_id(p."account") as account,
    stripe_sync.json_value(p."future_requirements") as future_requirements,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_boolean(p."requested") as requested,
    stripe_sync.json_bigint(p."requested_at") as requested_at,
    stripe_sync.json_moment(p."requested_at") as requested_at_ts,
    stripe_sync.json_value(p."requirements") as requirements,
    stripe_sync.json_text(p."status") as status,
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
    "account" jsonb,
    "future_requirements" jsonb,
    "object" jsonb,
    "requested" jsonb,
    "requested_at" jsonb,
    "requirements" jsonb,
    "status" jsonb
)
where events.collection_id = 'stripe:capability'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
