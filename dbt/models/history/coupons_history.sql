-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."amount_off") as amount_off,
    stripe_sync.json_value(p."applies_to") as applies_to,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_value(p."currency_options") as currency_options,
    events.event_type = 'deleted' as deleted,
    stripe_sync.json_text(p."duration") as duration,
    stripe_sync.json_bigint(p."duration_in_months") as duration_in_months,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_bigint(p."max_redemptions") as max_redemptions,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."name") as name,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_numeric(p."percent_off") as percent_off,
    stripe_sync.json_bigint(p."redeem_by") as redeem_by,
    stripe_sync.json_moment(p."redeem_by") as redeem_by_ts,
    stripe_sync.json_bigint(p."times_redeemed") as times_redeemed,
    stripe_sync.json_boolean(p."valid") as valid,
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
    "amount_off" jsonb,
    "applies_to" jsonb,
    "created" jsonb,
    "currency" jsonb,
    "currency_options" jsonb,
    "deleted" jsonb,
    "duration" jsonb,
    "duration_in_months" jsonb,
    "livemode" jsonb,
    "max_redemptions" jsonb,
    "metadata" jsonb,
    "name" jsonb,
    "object" jsonb,
    "percent_off" jsonb,
    "redeem_by" jsonb,
    "times_redeemed" jsonb,
    "valid" jsonb
)
where events.collection_id = 'stripe:coupon'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
