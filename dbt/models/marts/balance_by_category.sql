with months as (
    select
        _sync_id,
        {{ stripe_views.month_of('created_ts') }} as month,
        reporting_category,
        currency,
        count(*) as transactions,
        sum(amount) as gross,
        sum(fee) as fees,
        sum(net) as net
    from {{ ref('balance_transactions') }}
    where not _deleted
    group by 1, 2, 3, 4
)

select
    _sync_id,
    month,
    reporting_category,
    currency,
    transactions,
    {%- for part in ['gross', 'fees', 'net'] %}
    {{ part }} as {{ part }}_minor_units,
    {{ stripe_views.amount_of(part) }} as {{ part }}{{ ',' if not loop.last }}
    {%- endfor %}
from months
