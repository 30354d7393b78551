select
    id,
    amount,
    arrival_date_ts at time zone 'UTC' as arrival_date,
    automatic,
    balance_transaction as balance_transaction_id,
    null::text as connected_account_id,
    created_ts at time zone 'UTC' as created,
    currency,
    description,
    case when destination like 'ba\_%' then destination end as destination_bank_account_id,
    case when destination like 'card\_%' then destination end as destination_card_id,
    failure_balance_transaction as failure_balance_transaction_id,
    failure_code,
    failure_message,
    livemode,
    metadata::text as metadata,
    method,
    source_type,
    statement_descriptor,
    status,
    type,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('payouts') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
