-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_bigint(p."expires_at") as expires_at,
    stripe_sync.json_moment(p."expires_at") as expires_at_ts,
    stripe_sync.json_text(p."filename") as filename,
    stripe_sync.json_value(p."links") as links,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_text(p."purpose") as purpose,
    stripe_sync.json_bigint(p."size") as size,
    stripe_sync.json_text(p."title") as title,
    stripe_sync.json_text(p."type") as type,
    stripe_sync.json_text(p."url") as url,
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
    "expires_at" jsonb,
    "filename" jsonb,
    "links" jsonb,
    "object" jsonb,
    "purpose" jsonb,
    "size" jsonb,
    "title" jsonb,
    "type" jsonb,
    "url" jsonb
)
where events.collection_id = 'stripe:file'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
