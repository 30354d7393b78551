-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."amount") as amount,
    stripe_sync.json_id(p."balance_transaction") as balance_transaction,
    stripe_sync.json_bigint(p."created") as created,
    stripe_sync.json_moment(p."created") as created_ts,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_text(p."description") as description,
    stripe_sync.json_bigint(p."expected_availability_date") as expected_availability_date,
    stripe_sync.json_moment(p."expected_availability_date") as expected_availability_date_ts,
    stripe_sync.json_text(p."failure_code") as failure_code,
    stripe_sync.json_text(p."failure_message") as failure_message,
    stripe_sync.json_text(p."initiated_by") as initiated_by,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_id(p."payment_method") as payment_method,
    stripe_sync.json_value(p."payment_method_options") as payment_method_options,
    stripe_sync.json_id(p."source") as source,
    stripe_sync.json_text(p."statement_descriptor") as statement_descriptor,
    stripe_sync.json_text(p."status") as status,
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
    "balance_transaction" jsonb,
    "created" jsonb,
    "currency" jsonb,
    "description" jsonb,
    "expected_availability_date" jsonb,
    "failure_code" jsonb,
    "failure_message" jsonb,
    "initiated_by" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "payment_method" jsonb,
    "payment_method_options" jsonb,
    "source" jsonb,
    "statement_descriptor" jsonb,
    "status" jsonb,
    "transfer_group" jsonb
)
where events.collection_id = 'stripe:topup'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
