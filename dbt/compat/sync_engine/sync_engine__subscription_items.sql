select
    id,
    object,
    billing_thresholds,
    {{ stripe_views.int4('created') }} as created,
    _deleted as deleted,
    metadata,
    {{ stripe_views.int4('quantity') }} as quantity,
    price,
    subscription,
    tax_rates,
    {{ stripe_views.int4('current_period_end') }} as current_period_end,
    {{ stripe_views.int4('current_period_start') }} as current_period_start,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('subscription_items') }} as _account_id
from {{ ref('subscription_items') }} as subscription_items
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
