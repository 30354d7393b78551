-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_boolean(p."active") as active,
    stripe_sync.json_bigint(p."amount") as amount,
    stripe_sync.json_numeric(p."amount_decimal") as amount_decimal,
    stripe_sync.json_text(p."billing_scheme") as billing_scheme,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."currency") as currency,
    events.event_type = 'deleted' as deleted,
    stripe_sync.json_text(p."interval") as interval,
    stripe_sync.json_bigint(p."interval_count") as interval_count,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."meter") as meter,
    stripe_sync.json_text(p."nickname") as nickname,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_id(p."product") as product,
    stripe_sync.json_value(p."tiers") as tiers,
    stripe_sync.json_text(p."tiers_mode") as tiers_mode,
    stripe_sync.json_value(p."transform_usage") as transform_usage,
    stripe_sync.json_bigint(p."trial_period_days") as trial_period_days,
    stripe_sync.json_text(p."usage_type") as usage_type,
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
    "amount" jsonb,
    "amount_decimal" jsonb,
    "billing_scheme" jsonb,
    "created" jsonb,
    "currency" jsonb,
    "deleted" jsonb,
    "interval" jsonb,
    "interval_count" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "meter" jsonb,
    "nickname" jsonb,
    "object" jsonb,
    "product" jsonb,
    "tiers" jsonb,
    "tiers_mode" jsonb,
    "transform_usage" jsonb,
    "trial_period_days" jsonb,
    "usage_type" jsonb
)
where events.collection_id = 'stripe:plan'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
