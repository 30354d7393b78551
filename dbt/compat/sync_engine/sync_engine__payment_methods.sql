select
    id,
    object,
    {{ stripe_views.int4('created') }} as created,
    case when not _deleted then customer end as customer,
    type,
    billing_details,
    metadata,
    card,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('payment_methods') }} as _account_id
from {{ ref('payment_methods') }} as payment_methods
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
