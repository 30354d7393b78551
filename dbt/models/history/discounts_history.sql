-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_text(p."checkout_session") as checkout_session,
    stripe_sync.json_id(p."customer") as customer,
    stripe_sync.json_text(p."customer_account") as customer_account,
    events.event_type = 'deleted' as deleted,
    stripe_sync.json_bigint(p."end") as "end",
    stripe_sync.json_moment(p."end") as end_ts,
    stripe_sync.json_text(p."invoice") as invoice,
    stripe_sync.json_text(p."invoice_item") as invoice_item,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_id(p."promotion_code") as promotion_code,
    stripe_sync.json_value(p."source") as source,
    stripe_sync.json_bigint(p."start") as start,
    stripe_sync.json_moment(p."start") as start_ts,
    stripe_sync.json_text(p."subscription") as subscription,
    stripe_sync.json_text(p."subscription_item") as subscription_item,
    coalesce(stripe_sync.json_id(p."coupon"), stripe_sync.json_id(p."source" -> 'coupon')) as coupon,
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
    "checkout_session" jsonb,
    "customer" jsonb,
    "customer_account" jsonb,
    "deleted" jsonb,
    "end" jsonb,
    "invoice" jsonb,
    "invoice_item" jsonb,
    "object" jsonb,
    "promotion_code" jsonb,
    "source" jsonb,
    "start" jsonb,
    "subscription" jsonb,
    "subscription_item" jsonb,
    "coupon" jsonb
)
where events.collection_id = 'stripe:discount'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
