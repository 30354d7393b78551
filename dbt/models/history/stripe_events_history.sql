-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_text(p."account") as account,
    stripe_sync.json_text(p."api_version") as api_version,
    stripe_sync.json_text(p."context") as context,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_value(p."data") as data,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_bigint(p."pending_webhooks") as pending_webhooks,
    stripe_sync.json_value(p."request") as request,
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
    "account" jsonb,
    "api_version" jsonb,
    "context" jsonb,
    "created" jsonb,
    "data" jsonb,
    "livemode" jsonb,
    "object" jsonb,
    "pending_webhooks" jsonb,
    "request" jsonb,
    "type" jsonb
)
where events.collection_id = 'stripe:event'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
