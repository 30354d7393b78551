-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_boolean(p."active") as active,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."lookup_key") as lookup_key,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."name") as name,
    stripe_sync.json_text(p."object") as object,
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
    "active" jsonb,
    "livemode" jsonb,
    "lookup_key" jsonb,
    "metadata" jsonb,
    "name" jsonb,
    "object" jsonb
)
where events.collection_id = 'stripe:entitlements.feature'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
