-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."amount_paid") as amount_paid,
    stripe_sync.json_bigint(p."amount_requested") as amount_requested,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_id(p."invoice") as invoice,
    stripe_sync.json_boolean(p."is_default") as is_default,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_value(p."payment") as payment,
    stripe_sync.json_text(p."status") as status,
    stripe_sync.json_value(p."status_transitions") as status_transitions,
    coalesce(stripe_sync.json_id(p."charge"), stripe_sync.json_id(p."payment" -> 'charge')) as charge,
    coalesce(stripe_sync.json_id(p."payment_intent"), stripe_sync.json_id(p."payment" -> 'payment_intent')) as payment_intent,
    coalesce(stripe_sync.json_id(p."payment_record"), stripe_sync.json_id(p."payment" -> 'payment_record')) as payment_record,
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
    "amount_paid" jsonb,
    "amount_requested" jsonb,
    "created" jsonb,
    "currency" jsonb,
    "invoice" jsonb,
    "is_default" jsonb,
    "livemode" jsonb,
    "object" jsonb,
    "payment" jsonb,
    "status" jsonb,
    "status_transitions" jsonb,
    "charge" jsonb,
    "payment_intent" jsonb,
    "payment_record" jsonb
)
where events.collection_id = 'stripe:invoice_payment'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
