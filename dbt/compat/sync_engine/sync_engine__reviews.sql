select
    id,
    object,
    billing_zip,
    charge,
    {{ stripe_views.int4('created') }} as created,
    closed_reason,
    livemode,
    ip_address,
    ip_address_location,
    open,
    opened_reason,
    payment_intent,
    reason,
    session::text as session,
    _updated_at as updated_at,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('reviews') }} as _account_id
from {{ ref('reviews') }} as reviews
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
