select
    id,
    amount,
    amount_reversed,
    balance_transaction as balance_transaction_id,
    created_ts at time zone 'UTC' as created,
    currency,
    description,
    destination,
    destination_payment,
    destination_payment as destination_payment_id,
    livemode,
    metadata::text as metadata,
    reversed,
    source_transaction,
    source_transaction as source_transaction_id,
    source_type,
    transfer_group,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('transfers') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
