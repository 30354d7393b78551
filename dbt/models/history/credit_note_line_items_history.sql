-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    events.upstream_id as id,
    stripe_sync.json_bigint(p."amount") as amount,
    stripe_sync.json_text(p."description") as description,
    stripe_sync.json_bigint(p."discount_amount") as discount_amount,
    stripe_sync.json_value(p."discount_amounts") as discount_amounts,
    stripe_sync.json_text(p."invoice_line_item") as invoice_line_item,
    stripe_sync.json_boolean(p."livemode") as livemode,
    stripe_sync.json_value(p."metadata") as metadata,
    stripe_sync.json_text(p."object") as object,
    stripe_sync.json_value(p."pretax_credit_amounts") as pretax_credit_amounts,
    stripe_sync.json_bigint(p."quantity") as quantity,
    stripe_sync.json_value(p."tax_rates") as tax_rates,
    stripe_sync.json_value(p."taxes") as taxes,
    stripe_sync.json_text(p."type") as type,
    stripe_sync.json_bigint(p."unit_amount") as unit_amount,
    stripe_sync.json_numeric(p."unit_amount_decimal") as unit_amount_decimal,
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
    "description" jsonb,
    "discount_amount" jsonb,
    "discount_amounts" jsonb,
    "invoice_line_item" jsonb,
    "livemode" jsonb,
    "metadata" jsonb,
    "object" jsonb,
    "pretax_credit_amounts" jsonb,
    "quantity" jsonb,
    "tax_rates" jsonb,
    "taxes" jsonb,
    "type" jsonb,
    "unit_amount" jsonb,
    "unit_amount_decimal" jsonb
)
where events.collection_id = 'stripe:credit_note_line_item'
window versions as (
    partition by events.sync_id, events.upstream_id order by events.seq
)
