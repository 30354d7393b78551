-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."error") as error,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_value(p."parameters") as parameters,
    stripe_sync.json_text(p."report_type") as report_type,
    stripe_sync.json_id(p."result") as result,
    stripe_sync.json_text(p."status") as status,
    stripe_sync.json_bigint(p."succeeded_at") as succeeded_at,
    stripe_sync.json_moment(p."succeeded_at") as succeeded_at_ts,
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
    "created" jsonb,
    "error" jsonb,
    "livemode" jsonb,
    "object" jsonb,
    "parameters" jsonb,
    "report_type" jsonb,
    "result" jsonb,
    "status" jsonb,
    "succeeded_at" jsonb
)
where events.collection_id = 'stripe:reporting.report_run'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
