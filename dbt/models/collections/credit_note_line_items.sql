-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    typed.description as description,
    typed.discount_amount as discount_amount,
    stripe_sync.json_value(payload.object -> 'discount_amounts') as discount_amounts,
    typed.invoice_line_item as invoice_line_item,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.object as object,
    stripe_sync.json_value(payload.object -> 'pretax_credit_amounts') as pretax_credit_amounts,
    typed.quantity as quantity,
    stripe_sync.json_value(payload.object -> 'tax_rates') as tax_rates,
    stripe_sync.json_value(payload.object -> 'taxes') as taxes,
    typed.type as type,
    typed.unit_amount as unit_amount,
    typed.unit_amount_decimal as unit_amount_decimal,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'credit_note_line_items') }} as typed
{{ join_payload('stripe:credit_note_line_item', 'typed.id') }}
