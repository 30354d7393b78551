-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."billed_until") as billed_until,
    stripe_sync.json_moment(p."billed_until") as billed_until_ts,
    stripe_sync.json_value(p."billing_thresholds") as billing_thresholds,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_bigint(p."current_period_end") as current_period_end,
    stripe_sync.json_moment(p."current_period_end") as current_period_end_ts,
    stripe_sync.json_bigint(p."current_period_start") as current_period_start,
    stripe_sync.json_moment(p."current_period_start") as current_period_start_ts,
    stripe_sync.json_value(p."current_trial") as current_trial,
    events.event_type = 'deleted' as deleted,
    stripe_sync.json_value(p."discounts") as discounts,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_id(p."plan") as plan,
    stripe_sync.json_id(p."price") as price,
    stripe_sync.json_bigint(p."quantity") as quantity,
    stripe_sync.json_text(p."subscription") as subscription,
    stripe_sync.json_value(p."tax_rates") as tax_rates,
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
    "billed_until" jsonb,
    "billing_thresholds" jsonb,
    "created" jsonb,
    "current_period_end" jsonb,
    "current_period_start" jsonb,
    "current_trial" jsonb,
    "deleted" jsonb,
    "discounts" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "plan" jsonb,
    "price" jsonb,
    "quantity" jsonb,
    "subscription" jsonb,
    "tax_rates" jsonb
)
where events.collection_id = 'stripe:subscription_item'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
