-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_bigint('amount') }} as amount,
    {{ as_text('description') }} as description,
    {{ as_bigint('discount_amount') }} as discount_amount,
    {{ as_json('discount_amounts') }} as discount_amounts,
    {{ as_text('invoice_line_item') }} as invoice_line_item,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('object') }} as object,
    {{ as_json('pretax_credit_amounts') }} as pretax_credit_amounts,
    {{ as_bigint('quantity') }} as quantity,
    {{ as_json('tax_rates') }} as tax_rates,
    {{ as_json('taxes') }} as taxes,
    {{ as_text('type') }} as type,
    {{ as_bigint('unit_amount') }} as unit_amount,
    {{ as_numeric('unit_amount_decimal') }} as unit_amount_decimal,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:credit_note_line_item'
