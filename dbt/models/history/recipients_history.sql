-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_value(p."active_account") as active_account,
    stripe_sync.json_value(p."cards") as cards,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_id(p."default_card") as default_card,
    stripe_sync.json_text(p."description") as description,
    stripe_sync.json_text(p."email") as email,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_id(p."migrated_to") as migrated_to,
    stripe_sync.json_text(p."name") as name,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_text(p."type") as type,
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
    "active_account" jsonb,
    "cards" jsonb,
    "created" jsonb,
    "default_card" jsonb,
    "description" jsonb,
    "email" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "migrated_to" jsonb,
    "name" jsonb,
    "object" jsonb,
    "type" jsonb
)
where events.collection_id = 'stripe:recipient'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
