-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_bigint('billed_until') }} as billed_until,
    {{ as_timestamp('billed_until') }} as billed_until_ts,
    {{ as_json('billing_thresholds') }} as billing_thresholds,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_bigint('current_period_end') }} as current_period_end,
    {{ as_timestamp('current_period_end') }} as current_period_end_ts,
    {{ as_bigint('current_period_start') }} as current_period_start,
    {{ as_timestamp('current_period_start') }} as current_period_start_ts,
    {{ as_json('current_trial') }} as current_trial,
    {{ as_boolean('deleted') }} as deleted,
    {{ as_json('discounts') }} as discounts,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('object') }} as object,
    {{ as_json('plan') }} as plan,
    {{ as_json('price') }} as price,
    {{ as_bigint('quantity') }} as quantity,
    {{ as_text('subscription') }} as subscription,
    {{ as_json('tax_rates') }} as tax_rates,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:subscription_item'
