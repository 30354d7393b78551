-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_value(p."amount") as amount,
    stripe_sync.json_value(p."applicability_config") as applicability_config,
    stripe_sync.json_text(p."category") as category,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_id(p."customer") as customer,
    stripe_sync.json_text(p."customer_account") as customer_account,
    stripe_sync.json_bigint(p."effective_at") as effective_at,
    stripe_sync.json_moment(p."effective_at") as effective_at_ts,
    stripe_sync.json_bigint(p."expires_at") as expires_at,
    stripe_sync.json_moment(p."expires_at") as expires_at_ts,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."name") as name,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_bigint(p."priority") as priority,
    stripe_sync.json_id(p."test_clock") as test_clock,
    stripe_sync.json_bigint(p."updated") as updated,
    stripe_sync.json_moment(p."updated") as updated_ts,
    stripe_sync.json_bigint(p."voided_at") as voided_at,
    stripe_sync.json_moment(p."voided_at") as voided_at_ts,
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
    "applicability_config" jsonb,
    "category" jsonb,
    "created" jsonb,
    "customer" jsonb,
    "customer_account" jsonb,
    "effective_at" jsonb,
    "expires_at" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "name" jsonb,
    "object" jsonb,
    "priority" jsonb,
    "test_clock" jsonb,
    "updated" jsonb,
    "voided_at" jsonb
)
where events.collection_id = 'stripe:billing.credit_grant'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
