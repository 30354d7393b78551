-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."amount") as amount,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_text(p."description") as description,
    stripe_sync.json_text(p."object") as object,
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
    "currency" jsonb,
    "description" jsonb,
    "object" jsonb
)
where events.collection_id = 'stripe:reserve_transaction'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
