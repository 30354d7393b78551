-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_id(p."application") as application,
    stripe_sync.json_boolean(p."attach_to_self") as attach_to_self,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_id(p."customer") as customer,
    stripe_sync.json_text(p."customer_account") as customer_account,
    stripe_sync.json_value(p."flow_directions") as flow_directions,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_id(p."on_behalf_of") as on_behalf_of,
    stripe_sync.json_id(p."payment_method") as payment_method,
    stripe_sync.json_value(p."payment_method_details") as payment_method_details,
    stripe_sync.json_value(p."setup_error") as setup_error,
    stripe_sync.json_id(p."setup_intent") as setup_intent,
    stripe_sync.json_text(p."status") as status,
    stripe_sync.json_text(p."usage") as usage,
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
    "application" jsonb,
    "attach_to_self" jsonb,
    "created" jsonb,
    "customer" jsonb,
    "customer_account" jsonb,
    "flow_directions" jsonb,
    "livemode" jsonb,
    "object" jsonb,
    "on_behalf_of" jsonb,
    "payment_method" jsonb,
    "payment_method_details" jsonb,
    "setup_error" jsonb,
    "setup_intent" jsonb,
    "status" jsonb,
    "usage" jsonb
)
where events.collection_id = 'stripe:setup_attempt'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
