-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_bigint('amount') }} as amount,
    {{ as_text('currency') }} as currency,
    {{ as_text('description') }} as description,
    {{ as_json('discount_amounts') }} as discount_amounts,
    {{ as_boolean('discountable') }} as discountable,
    {{ as_json('discounts') }} as discounts,
    {{ as_text('invoice') }} as invoice,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('object') }} as object,
    {{ as_json('parent') }} as parent,
    {{ as_json('period') }} as period,
    {{ as_json('pretax_credit_amounts') }} as pretax_credit_amounts,
    {{ as_json('pricing') }} as pricing,
    {{ as_bigint('quantity') }} as quantity,
    {{ as_numeric('quantity_decimal') }} as quantity_decimal,
    {{ as_id('subscription') }} as subscription,
    {{ as_bigint('subtotal') }} as subtotal,
    {{ as_json('taxes') }} as taxes,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:upcoming_line_item'
