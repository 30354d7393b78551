-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_id(p."account") as account,
    stripe_sync.json_text(p."account_holder_name") as account_holder_name,
    stripe_sync.json_text(p."account_holder_type") as account_holder_type,
    stripe_sync.json_text(p."account_type") as account_type,
    stripe_sync.json_value(p."available_payout_methods") as available_payout_methods,
    stripe_sync.json_text(p."bank_name") as bank_name,
    stripe_sync.json_text(p."country") as country,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_id(p."customer") as customer,
    stripe_sync.json_boolean(p."default_for_currency") as default_for_currency,
    events.event_type = 'deleted' as deleted,
    stripe_sync.json_text(p."fingerprint") as fingerprint,
    stripe_sync.json_value(p."future_requirements") as future_requirements,
    stripe_sync.json_text(p."last4") as last4,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_value(p."requirements") as requirements,
    stripe_sync.json_text(p."routing_number") as routing_number,
    stripe_sync.json_text(p."status") as status,
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
    "account_holder_name" jsonb,
    "account_holder_type" jsonb,
    "account_type" jsonb,
    "available_payout_methods" jsonb,
    "bank_name" jsonb,
    "country" jsonb,
    "currency" jsonb,
    "customer" jsonb,
    "default_for_currency" jsonb,
    "deleted" jsonb,
    "fingerprint" jsonb,
    "future_requirements" jsonb,
    "last4" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "requirements" jsonb,
    "routing_number" jsonb,
    "status" jsonb
)
where events.collection_id = 'stripe:bank_account'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
