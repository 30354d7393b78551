select
    id,
    active,
    null::text as aggregate_usage,
    amount,
    billing_scheme,
    created_ts at time zone 'UTC' as created,
    currency,
    interval,
    interval_count,
    _deleted as is_deleted,
    livemode,
    metadata::text as metadata,
    nickname,
    product as product_id,
    trial_period_days,
    usage_type,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('plans') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
