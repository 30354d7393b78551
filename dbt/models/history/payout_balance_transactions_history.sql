-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    stripe_sync.json_text(p."id") as id,
    stripe_sync.json_bigint(p."amount") as amount,
    stripe_sync.json_bigint(p."available_on") as available_on,
    stripe_sync.json_moment(p."available_on") as available_on_ts,
    stripe_sync.json_text(p."balance_type") as balance_type,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_text(p."description") as description,
    stripe_sync.json_numeric(p."exchange_rate") as exchange_rate,
    stripe_sync.json_bigint(p."fee") as fee,
    stripe_sync.json_value(p."fee_details") as fee_details,
    stripe_sync.json_bigint(p."net") as net,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_text(p."reporting_category") as reporting_category,
    stripe_sync.json_id(p."source") as source,
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
    "amount" jsonb,
    "available_on" jsonb,
    "balance_type" jsonb,
    "created" jsonb,
    "currency" jsonb,
    "description" jsonb,
    "exchange_rate" jsonb,
    "fee" jsonb,
    "fee_details" jsonb,
    "net" jsonb,
    "object" jsonb,
    "reporting_category" jsonb,
    "source" jsonb,
    "status" jsonb,
    "type" jsonb
)
where events.collection_id = 'stripe:payout_balance_transaction'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
