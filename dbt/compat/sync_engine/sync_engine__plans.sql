select
    id,
    object,
    active,
    amount,
    {{ stripe_views.int4('created') }} as created,
    product,
    currency,
    interval,
    livemode,
    metadata,
    nickname,
    tiers_mode,
    usage_type,
    billing_scheme,
    interval_count,
    null::text as aggregate_usage,
    transform_usage::text as transform_usage,
    trial_period_days,
    _updated_at as updated_at,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('plans') }} as _account_id
from {{ ref('plans') }} as plans
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
