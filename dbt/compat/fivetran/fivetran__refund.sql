select
    id,
    amount,
    balance_transaction as balance_transaction_id,
    charge as charge_id,
    created_ts at time zone 'UTC' as created,
    currency,
    description,
    failure_balance_transaction as failure_balance_transaction_id,
    failure_reason,
    metadata::text as metadata,
    payment_intent as payment_intent_id,
    reason,
    receipt_number,
    status,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('refunds') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
