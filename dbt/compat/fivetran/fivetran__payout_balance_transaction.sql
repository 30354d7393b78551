select
    _parent_id as payout_id,
    id as balance_transaction_id,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('payout_balance_transactions') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
