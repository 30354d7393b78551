select
    id,
    object,
    active,
    currency,
    metadata,
    nickname,
    recurring,
    {{ stripe_views.enum('pricing_type', 'type') }} as type,
    {{ stripe_views.int4('unit_amount') }} as unit_amount,
    billing_scheme,
    {{ stripe_views.int4('created') }} as created,
    livemode,
    lookup_key,
    {{ stripe_views.enum('pricing_tiers', 'tiers_mode') }} as tiers_mode,
    transform_quantity,
    unit_amount_decimal::text as unit_amount_decimal,
    product,
    _updated_at as updated_at,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('prices') }} as _account_id
from {{ ref('prices') }} as prices
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
