select
    id,
    object,
    amount_paid,
    amount_requested,
    {{ stripe_views.int4('created') }} as created,
    currency,
    invoice,
    is_default,
    livemode,
    payment,
    status,
    status_transitions,
    _updated_at as last_synced_at,
    _updated_at as updated_at,
    {{ stripe_views.account_of('invoice_payments') }} as _account_id
from {{ ref('invoice_payments') }} as invoice_payments
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
