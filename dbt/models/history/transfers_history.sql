-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."amount") as amount,
    stripe_sync.json_bigint(p."amount_reversed") as amount_reversed,
    stripe_sync.json_id(p."balance_transaction") as balance_transaction,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_text(p."description") as description,
    stripe_sync.json_id(p."destination") as destination,
    stripe_sync.json_id(p."destination_payment") as destination_payment,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_value(p."reversals") as reversals,
    stripe_sync.json_boolean(p."reversed") as reversed,
    stripe_sync.json_id(p."source_transaction") as source_transaction,
    stripe_sync.json_text(p."source_type") as source_type,
    stripe_sync.json_text(p."transfer_group") as transfer_group,
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
    "amount_reversed" jsonb,
    "balance_transaction" jsonb,
    "created" jsonb,
    "currency" jsonb,
    "description" jsonb,
    "destination" jsonb,
    "destination_payment" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "reversals" jsonb,
    "reversed" jsonb,
    "source_transaction" jsonb,
    "source_type" jsonb,
    "transfer_group" jsonb
)
where events.collection_id = 'stripe:transfer'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
