-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_value(p."ach_credit_transfer") as ach_credit_transfer,
    stripe_sync.json_bigint(p."amount") as amount,
    stripe_sync.json_value(p."chf_credit_transfer") as chf_credit_transfer,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_value(p."gbp_credit_transfer") as gbp_credit_transfer,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_value(p."paper_check") as paper_check,
    stripe_sync.json_value(p."sepa_credit_transfer") as sepa_credit_transfer,
    stripe_sync.json_text(p."source") as source,
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
    "ach_credit_transfer" jsonb,
    "amount" jsonb,
    "chf_credit_transfer" jsonb,
    "created" jsonb,
    "currency" jsonb,
    "gbp_credit_transfer" jsonb,
    "livemode" jsonb,
    "object" jsonb,
    "paper_check" jsonb,
    "sepa_credit_transfer" jsonb,
    "source" jsonb,
    "status" jsonb,
    "type" jsonb
)
where events.collection_id = 'stripe:source_transaction'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
