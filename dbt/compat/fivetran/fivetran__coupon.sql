-- Deleted coupons stay: discounts that were given on them go on.
select
    id,
    amount_off,
    created_ts at time zone 'UTC' as created,
    currency,
    duration,
    duration_in_months,
    livemode,
    max_redemptions,
    metadata::text as metadata,
    name,
    percent_off,
    redeem_by_ts at time zone 'UTC' as redeem_by,
    times_redeemed,
    valid,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('coupons') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
