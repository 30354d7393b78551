-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_value(p."billing") as billing,
    stripe_sync.json_value(p."company") as company,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."email") as email,
    stripe_sync.json_value(p."individual") as individual,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."name") as name,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_text(p."phone_number") as phone_number,
    stripe_sync.json_value(p."preferred_locales") as preferred_locales,
    stripe_sync.json_value(p."requirements") as requirements,
    stripe_sync.json_value(p."spending_controls") as spending_controls,
    stripe_sync.json_text(p."status") as status,
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
    "billing" jsonb,
    "company" jsonb,
    "created" jsonb,
    "email" jsonb,
    "individual" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "name" jsonb,
    "object" jsonb,
    "phone_number" jsonb,
    "preferred_locales" jsonb,
    "requirements" jsonb,
    "spending_controls" jsonb,
    "status" jsonb,
    "type" jsonb
)
where events.collection_id = 'stripe:issuing.cardholder'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
