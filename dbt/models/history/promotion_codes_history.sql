-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_boolean(p."active") as active,
    stripe_sync.json_text(p."code") as code,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_id(p."customer") as customer,
    stripe_sync.json_text(p."customer_account") as customer_account,
    stripe_sync.json_bigint(p."expires_at") as expires_at,
    stripe_sync.json_moment(p."expires_at") as expires_at_ts,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_bigint(p."max_redemptions") as max_redemptions,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_value(p."promotion") as promotion,
    stripe_sync.json_value(p."restrictions") as restrictions,
    stripe_sync.json_bigint(p."times_redeemed") as times_redeemed,
    coalesce(stripe_sync.json_id(p."coupon"), stripe_sync.json_id(p."promotion" -> 'coupon')) as coupon,
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
    "code" jsonb,
    "created" jsonb,
    "customer" jsonb,
    "customer_account" jsonb,
    "expires_at" jsonb,
    "livemode" jsonb,
    "max_redemptions" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "promotion" jsonb,
    "restrictions" jsonb,
    "times_redeemed" jsonb,
    "coupon" jsonb
)
where events.collection_id = 'stripe:promotion_code'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
