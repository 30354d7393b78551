select
    id,
    active,
    billing_scheme,
    created_ts at time zone 'UTC' as created,
    currency,
    _deleted as is_deleted,
    livemode,
    lookup_key,
    metadata::text as metadata,
    nickname,
    product as product_id,
    recurring ->> 'aggregate_usage' as recurring_aggregate_usage,
    recurring ->> 'interval' as recurring_interval,
    stripe_sync.json_bigint(recurring -> 'interval_count') as recurring_interval_count,
    recurring ->> 'usage_type' as recurring_usage_type,
    tiers_mode,
    type,
    unit_amount,
    unit_amount_decimal::text as unit_amount_decimal,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('prices') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
