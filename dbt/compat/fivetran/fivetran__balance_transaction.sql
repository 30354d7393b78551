select
    id,
    amount,
    available_on_ts at time zone 'UTC' as available_on,
    null::text as connected_account_id,
    created_ts at time zone 'UTC' as created,
    currency,
    description,
    exchange_rate,
    fee,
    net,
    (
        select payout_part._parent_id
        from {{ ref('payout_balance_transactions') }} as payout_part
        where payout_part.id = transactions.id and payout_part._sync_id = transactions._sync_id
        order by payout_part._seq desc
        limit 1
    ) as payout_id,
    reporting_category,
    source,
    status,
    type,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('balance_transactions') }} as transactions
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
