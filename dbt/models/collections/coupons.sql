-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_bigint('amount_off') }} as amount_off,
    {{ as_json('applies_to') }} as applies_to,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_text('currency') }} as currency,
    {{ as_json('currency_options') }} as currency_options,
    {{ as_boolean('deleted') }} as deleted,
    {{ as_text('duration') }} as duration,
    {{ as_bigint('duration_in_months') }} as duration_in_months,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_bigint('max_redemptions') }} as max_redemptions,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('name') }} as name,
    {{ as_text('object') }} as object,
    {{ as_numeric('percent_off') }} as percent_off,
    {{ as_bigint('redeem_by') }} as redeem_by,
    {{ as_timestamp('redeem_by') }} as redeem_by_ts,
    {{ as_bigint('times_redeemed') }} as times_redeemed,
    {{ as_boolean('valid') }} as valid,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:coupon'
