select
    id,
    object,
    {{ stripe_views.int4('amount') }} as amount,
    balance_transaction,
    charge,
    {{ stripe_views.int4('created') }} as created,
    currency,
    destination_details,
    metadata,
    payment_intent,
    reason,
    receipt_number,
    source_transfer_reversal,
    status,
    transfer_reversal,
    _updated_at as updated_at,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('refunds') }} as _account_id
from {{ ref('refunds') }} as refunds
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
