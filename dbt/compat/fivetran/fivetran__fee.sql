select
    transactions.id as balance_transaction_id,
    fee.position - 1 as index,
    stripe_sync.json_bigint(fee.detail -> 'amount') as amount,
    fee.detail ->> 'application' as application,
    null::text as connected_account_id,
    fee.detail ->> 'currency' as currency,
    fee.detail ->> 'description' as description,
    fee.detail ->> 'type' as type,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('balance_transactions') }} as transactions
cross join lateral jsonb_array_elements(stripe_sync.json_list(transactions.fee_details))
    with ordinality as fee (detail, position)
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
