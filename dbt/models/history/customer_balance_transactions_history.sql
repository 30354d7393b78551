-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."amount") as amount,
    stripe_sync.json_id(p."checkout_session") as checkout_session,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_id(p."credit_note") as credit_note,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_id(p."customer") as customer,
    stripe_sync.json_text(p."customer_account") as customer_account,
    stripe_sync.json_text(p."description") as description,
    stripe_sync.json_bigint(p."ending_balance") as ending_balance,
    stripe_sync.json_id(p."invoice") as invoice,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
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
    "amount" jsonb,
    "checkout_session" jsonb,
    "created" jsonb,
    "credit_note" jsonb,
    "currency" jsonb,
    "customer" jsonb,
    "customer_account" jsonb,
    "description" jsonb,
    "ending_balance" jsonb,
    "invoice" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "type" jsonb
)
where events.collection_id = 'stripe:customer_balance_transaction'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
