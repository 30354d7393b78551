-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    stripe_sync.json_value(payload.object -> 'adjustable_quantity') as adjustable_quantity,
    typed.amount_discount as amount_discount,
    typed.amount_subtotal as amount_subtotal,
    typed.amount_tax as amount_tax,
    typed.amount_total as amount_total,
    typed.currency as currency,
    typed.description as description,
    stripe_sync.json_value(payload.object -> 'discounts') as discounts,
    typed.metadata as metadata,
    typed.object as object,
    typed.price as price,
    typed.quantity as quantity,
    stripe_sync.json_value(payload.object -> 'taxes') as taxes,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'line_items') }} as typed
{{ join_payload('stripe:item', 'typed.id') }}
