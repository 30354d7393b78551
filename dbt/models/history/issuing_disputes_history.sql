-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."amount") as amount,
    stripe_sync.json_value(p."balance_transactions") as balance_transactions,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_value(p."evidence") as evidence,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."loss_reason") as loss_reason,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_text(p."status") as status,
    stripe_sync.json_id(p."transaction") as transaction,
    stripe_sync.json_value(p."treasury") as treasury,
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
    "created" jsonb,
    "currency" jsonb,
    "evidence" jsonb,
    "livemode" jsonb,
    "loss_reason" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "status" jsonb,
    "transaction" jsonb,
    "treasury" jsonb
)
where events.collection_id = 'stripe:issuing.dispute'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
