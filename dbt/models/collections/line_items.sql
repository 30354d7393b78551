-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_json('adjustable_quantity') }} as adjustable_quantity,
    {{ as_bigint('amount_discount') }} as amount_discount,
    {{ as_bigint('amount_subtotal') }} as amount_subtotal,
    {{ as_bigint('amount_tax') }} as amount_tax,
    {{ as_bigint('amount_total') }} as amount_total,
    {{ as_text('currency') }} as currency,
    {{ as_text('description') }} as description,
    {{ as_json('discounts') }} as discounts,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('object') }} as object,
    {{ as_json('price') }} as price,
    {{ as_bigint('quantity') }} as quantity,
    {{ as_json('taxes') }} as taxes,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:item'
