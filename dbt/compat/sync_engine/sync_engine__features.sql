select
    id,
    object,
    livemode,
    name,
    lookup_key,
    active,
    metadata,
    _updated_at as updated_at,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('features') }} as _account_id
from {{ ref('features') }} as features
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
