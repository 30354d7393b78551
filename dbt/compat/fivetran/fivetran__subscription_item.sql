select
    id,
    created_ts at time zone 'UTC' as created,
    current_period_end_ts at time zone 'UTC' as current_period_end,
    current_period_start_ts at time zone 'UTC' as current_period_start,
    metadata::text as metadata,
    coalesce(price, plan) as plan_id,
    quantity,
    subscription as subscription_id,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('subscription_items') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
