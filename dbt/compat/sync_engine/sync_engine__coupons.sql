select
    id,
    object,
    name,
    valid,
    {{ stripe_views.int4('created') }} as created,
    null::integer as updated,
    currency,
    duration,
    livemode,
    metadata,
    {{ stripe_views.int4('redeem_by') }} as redeem_by,
    amount_off,
    percent_off::double precision as percent_off,
    times_redeemed,
    max_redemptions,
    duration_in_months,
    percent_off::double precision as percent_off_precise,
    _updated_at as updated_at,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('coupons') }} as _account_id
from {{ ref('coupons') }} as coupons
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
