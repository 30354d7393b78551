-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_bigint(p."period_end") as period_end,
    stripe_sync.json_moment(p."period_end") as period_end_ts,
    stripe_sync.json_bigint(p."period_start") as period_start,
    stripe_sync.json_moment(p."period_start") as period_start_ts,
    stripe_sync.json_text(p."tax_deduction_account_number") as tax_deduction_account_number,
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
    "object" jsonb,
    "period_end" jsonb,
    "period_start" jsonb,
    "tax_deduction_account_number" jsonb
)
where events.collection_id = 'stripe:tax_deducted_at_source'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
