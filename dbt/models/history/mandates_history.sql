-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_value(p."customer_acceptance") as customer_acceptance,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."multi_use") as multi_use,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_text(p."on_behalf_of") as on_behalf_of,
    stripe_sync.json_id(p."payment_method") as payment_method,
    stripe_sync.json_value(p."payment_method_details") as payment_method_details,
    stripe_sync.json_value(p."single_use") as single_use,
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
    "customer_acceptance" jsonb,
    "livemode" jsonb,
    "multi_use" jsonb,
    "object" jsonb,
    "on_behalf_of" jsonb,
    "payment_method" jsonb,
    "payment_method_details" jsonb,
    "single_use" jsonb,
    "status" jsonb,
    "type" jsonb
)
where events.collection_id = 'stripe:mandate'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
