-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_value(p."after_expiration") as after_expiration,
    stripe_sync.json_id(p."configuration") as configuration,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."customer") as customer,
    stripe_sync.json_text(p."customer_account") as customer_account,
    stripe_sync.json_value(p."flow") as flow,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_text(p."locale") as locale,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_text(p."on_behalf_of") as on_behalf_of,
    stripe_sync.json_text(p."return_url") as return_url,
    stripe_sync.json_text(p."url") as url,
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
    "after_expiration" jsonb,
    "configuration" jsonb,
    "created" jsonb,
    "customer" jsonb,
    "customer_account" jsonb,
    "flow" jsonb,
    "livemode" jsonb,
    "locale" jsonb,
    "object" jsonb,
    "on_behalf_of" jsonb,
    "return_url" jsonb,
    "url" jsonb
)
where events.collection_id = 'stripe:billing_portal.session'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
