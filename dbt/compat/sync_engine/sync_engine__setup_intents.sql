select
    id,
    object,
    {{ stripe_views.int4('created') }} as created,
    customer,
    description,
    payment_method,
    status,
    usage,
    cancellation_reason,
    latest_attempt,
    mandate,
    single_use_mandate,
    on_behalf_of,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('setup_intents') }} as _account_id
from {{ ref('setup_intents') }} as setup_intents
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
