-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount_off as amount_off,
    stripe_sync.json_value(payload.object -> 'applies_to') as applies_to,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    stripe_sync.json_value(payload.object -> 'currency_options') as currency_options,
    typed._deleted as deleted,
    typed.duration as duration,
    typed.duration_in_months as duration_in_months,
    typed.livemode as livemode,
    typed.max_redemptions as max_redemptions,
    typed.metadata as metadata,
    typed.name as name,
    typed.object as object,
    typed.percent_off as percent_off,
    typed.redeem_by as redeem_by,
    typed.redeem_by_ts as redeem_by_ts,
    typed.times_redeemed as times_redeemed,
    typed.valid as valid,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'coupons') }} as typed
{{ join_payload('stripe:coupon', 'typed.id') }}
