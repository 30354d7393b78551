-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."amount") as amount,
    stripe_sync.json_value(p."balance_transactions") as balance_transactions,
    stripe_sync.json_id(p."charge") as charge,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_value(p."enhanced_eligibility_types") as enhanced_eligibility_types,
    stripe_sync.json_value(p."evidence") as evidence,
    stripe_sync.json_value(p."evidence_details") as evidence_details,
    stripe_sync.json_text(p."intended_submission_method") as intended_submission_method,
    stripe_sync.json_boolean(p."is_charge_refundable") as is_charge_refundable,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."network_reason_code") as network_reason_code,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_id(p."payment_intent") as payment_intent,
    stripe_sync.json_value(p."payment_method_details") as payment_method_details,
    stripe_sync.json_text(p."reason") as reason,
    stripe_sync.json_text(p."status") as status,
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
    "balance_transactions" jsonb,
    "charge" jsonb,
    "created" jsonb,
    "currency" jsonb,
    "enhanced_eligibility_types" jsonb,
    "evidence" jsonb,
    "evidence_details" jsonb,
    "intended_submission_method" jsonb,
    "is_charge_refundable" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "network_reason_code" jsonb,
    "object" jsonb,
    "payment_intent" jsonb,
    "payment_method_details" jsonb,
    "reason" jsonb,
    "status" jsonb
)
where events.collection_id = 'stripe:dispute'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
