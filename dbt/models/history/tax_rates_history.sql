-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_boolean(p."active") as active,
    stripe_sync.json_text(p."country") as country,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."description") as description,
    stripe_sync.json_text(p."display_name") as display_name,
    stripe_sync.json_numeric(p."effective_percentage") as effective_percentage,
    stripe_sync.json_value(p."flat_amount") as flat_amount,
    stripe_sync.json_boolean(p."inclusive") as inclusive,
    stripe_sync.json_text(p."jurisdiction") as jurisdiction,
    stripe_sync.json_text(p."jurisdiction_level") as jurisdiction_level,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_numeric(p."percentage") as percentage,
    stripe_sync.json_text(p."rate_type") as rate_type,
    stripe_sync.json_text(p."state") as state,
    stripe_sync.json_text(p."tax_type") as tax_type,
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
    "country" jsonb,
    "created" jsonb,
    "description" jsonb,
    "display_name" jsonb,
    "effective_percentage" jsonb,
    "flat_amount" jsonb,
    "inclusive" jsonb,
    "jurisdiction" jsonb,
    "jurisdiction_level" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "percentage" jsonb,
    "rate_type" jsonb,
    "state" jsonb,
    "tax_type" jsonb
)
where events.collection_id = 'stripe:tax_rate'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
