-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_text(p."account") as account,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_id(p."source_transaction") as source_transaction,
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
    "account" jsonb,
    "object" jsonb,
    "source_transaction" jsonb,
    "type" jsonb
)
where events.collection_id = 'stripe:platform_tax_fee'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
