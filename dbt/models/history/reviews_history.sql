-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_text(p."billing_zip") as billing_zip,
    stripe_sync.json_id(p."charge") as charge,
    stripe_sync.json_text(p."closed_reason") as closed_reason,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."ip_address") as ip_address,
    stripe_sync.json_value(p."ip_address_location") as ip_address_location,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_boolean(p."open") as open,
    stripe_sync.json_text(p."opened_reason") as opened_reason,
    stripe_sync.json_id(p."payment_intent") as payment_intent,
    stripe_sync.json_text(p."reason") as reason,
    stripe_sync.json_value(p."session") as session,
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
    "billing_zip" jsonb,
    "charge" jsonb,
    "closed_reason" jsonb,
    "created" jsonb,
    "ip_address" jsonb,
    "ip_address_location" jsonb,
    "livemode" jsonb,
    "object" jsonb,
    "open" jsonb,
    "opened_reason" jsonb,
    "payment_intent" jsonb,
    "reason" jsonb,
    "session" jsonb
)
where events.collection_id = 'stripe:review'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
