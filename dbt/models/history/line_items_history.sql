-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_value(p."adjustable_quantity") as adjustable_quantity,
    stripe_sync.json_bigint(p."amount_discount") as amount_discount,
    stripe_sync.json_bigint(p."amount_subtotal") as amount_subtotal,
    stripe_sync.json_bigint(p."amount_tax") as amount_tax,
    stripe_sync.json_bigint(p."amount_total") as amount_total,
    stripe_sync.json_text(p."currency") as currency,
    stripe_sync.json_text(p."description") as description,
    stripe_sync.json_value(p."discounts") as discounts,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_id(p."price") as price,
    stripe_sync.json_bigint(p."quantity") as quantity,
    stripe_sync.json_value(p."taxes") as taxes,
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
    "adjustable_quantity" jsonb,
    "amount_discount" jsonb,
    "amount_subtotal" jsonb,
    "amount_tax" jsonb,
    "amount_total" jsonb,
    "currency" jsonb,
    "description" jsonb,
    "discounts" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "price" jsonb,
    "quantity" jsonb,
    "taxes" jsonb
)
where events.collection_id = 'stripe:item'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
