with months as (
    select
        _sync_id,
        {{ stripe_views.month_of('created_ts') }} as month,
        reporting_category,
        currency,
        count(*) as transactions,
        sum(abs(amount)) filter (where not is_fee) as volume,
        -- Stripe charges what it does not take from a transaction by a transaction of its own.
        sum(case when is_fee then fee - amount else fee end) as fees
    from {{ ref('balance_transactions') }}
    cross join lateral (select reporting_category in ('fee', 'network_cost')) as own (is_fee)
    where not _deleted and (fee <> 0 or is_fee)
    group by 1, 2, 3, 4
)

select
    _sync_id,
    month,
    reporting_category,
    currency,
    transactions,
    volume as volume_minor_units,
    {{ stripe_views.amount_of('volume') }} as volume,
    fees as fees_minor_units,
    {{ stripe_views.amount_of('fees') }} as fees,
    round(100.0 * fees / nullif(volume, 0), 2) as fee_percent
from months
