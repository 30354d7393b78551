with transactions as (
    select
        _sync_id,
        _parent_id as payout,
        count(*) as transactions,
        sum(amount) as gross,
        sum(fee) as fees,
        sum(net) as net
    from {{ ref('payout_balance_transactions') }}
    where type <> 'payout' and not _deleted
    group by _sync_id, _parent_id
)

select
    payouts._sync_id,
    payouts.id as payout,
    payouts.status,
    payouts.automatic,
    {{ stripe_views.month_of('payouts.arrival_date_ts') }} as month,
    payouts.arrival_date_ts as arrives_at,
    payouts.currency,
    payouts.amount as paid_out_minor_units,
    {{ stripe_views.amount_of('payouts.amount', 'payouts.currency') }} as paid_out,
    coalesce(transactions.transactions, 0) as transactions,
    transactions.gross as gross_minor_units,
    {{ stripe_views.amount_of('transactions.gross', 'payouts.currency') }} as gross,
    transactions.fees as fees_minor_units,
    {{ stripe_views.amount_of('transactions.fees', 'payouts.currency') }} as fees,
    transactions.net as explained_minor_units,
    {{ stripe_views.amount_of('transactions.net', 'payouts.currency') }} as explained,
    payouts.amount - transactions.net as difference_minor_units,
    {{ stripe_views.amount_of('payouts.amount - transactions.net', 'payouts.currency') }} as difference
from {{ ref('payouts') }} as payouts
left join transactions
    on payouts._sync_id = transactions._sync_id and payouts.id = transactions.payout
where not payouts._deleted
