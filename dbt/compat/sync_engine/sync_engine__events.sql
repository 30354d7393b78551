select
    id,
    object,
    data,
    type,
    {{ stripe_views.int4('created') }} as created,
    request::text as request,
    null::integer as updated,
    livemode,
    api_version,
    pending_webhooks,
    _updated_at as updated_at,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('events') }} as _account_id
from {{ ref('stripe_events') }} as events
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
