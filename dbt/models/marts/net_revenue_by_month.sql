with categories as (
    select
        _sync_id,
        {{ stripe_views.month_of('created_ts') }} as month,
        currency,
        case
            when reporting_category in ('charge', 'charge_failure', 'partial_capture_reversal') then 'gross'
            when reporting_category in ('refund', 'refund_failure') then 'refunds'
            when reporting_category in ('dispute', 'dispute_reversal') then 'disputes'
            else 'fees'
        end as part,
        sum(amount) as amount,
        sum(fee) as fee
    from {{ ref('balance_transactions') }}
    where
        not _deleted
        and reporting_category in (
            'charge', 'charge_failure', 'partial_capture_reversal', 'refund', 'refund_failure',
            'dispute', 'dispute_reversal', 'fee', 'network_cost'
        )
    group by 1, 2, 3, 4
),

months as (
    select
        _sync_id,
        month,
        currency,
        coalesce(sum(amount) filter (where part = 'gross'), 0) as gross,
        -coalesce(sum(amount) filter (where part = 'refunds'), 0) as refunds,
        -coalesce(sum(amount) filter (where part = 'disputes'), 0) as disputes,
        sum(fee) - coalesce(sum(amount) filter (where part = 'fees'), 0) as fees
    from categories
    group by _sync_id, month, currency
)

select
    _sync_id,
    month,
    currency,
    {%- for part in ['gross', 'refunds', 'disputes', 'fees'] %}
    {{ part }} as {{ part }}_minor_units,
    {{ stripe_views.amount_of(part) }} as {{ part }},
    {%- endfor %}
    gross - refunds - disputes - fees as net_minor_units,
    {{ stripe_views.amount_of('gross - refunds - disputes - fees') }} as net
from months
