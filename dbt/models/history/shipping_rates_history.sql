-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_boolean(p."active") as active,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_value(p."delivery_estimate") as delivery_estimate,
    stripe_sync.json_text(p."display_name") as display_name,
    stripe_sync.json_value(p."fixed_amount") as fixed_amount,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_text(p."tax_behavior") as tax_behavior,
    stripe_sync.json_id(p."tax_code") as tax_code,
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
    "active" jsonb,
    "created" jsonb,
    "delivery_estimate" jsonb,
    "display_name" jsonb,
    "fixed_amount" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "tax_behavior" jsonb,
    "tax_code" jsonb,
    "type" jsonb
)
where events.collection_id = 'stripe:shipping_rate'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
