select
    id,
    object,
    actionable,
    charge,
    {{ stripe_views.int4('created') }} as created,
    fraud_type,
    livemode,
    payment_intent,
    _updated_at as updated_at,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('early_fraud_warnings') }} as _account_id
from {{ ref('early_fraud_warnings') }} as early_fraud_warnings
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
