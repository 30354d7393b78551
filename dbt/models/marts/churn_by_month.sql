with customers as (
    select
        _sync_id,
        month,
        currency,
        count(*) filter (where start_minor_units > 0) as at_start,
        count(*) filter (where movement = 'new') as new,
        count(*) filter (where movement = 'reactivation') as reactivated,
        count(*) filter (where movement = 'churn') as churned,
        count(*) filter (where end_minor_units > 0) as at_end
    from {{ ref('customer_mrr_by_month') }}
    group by _sync_id, month, currency
)

select
    _sync_id,
    month,
    currency,
    at_start as customers_at_start,
    new as new_customers,
    reactivated as reactivated_customers,
    churned as churned_customers,
    at_end as customers_at_end,
    round(100.0 * churned / nullif(at_start, 0), 2) as churn_percent
from customers
