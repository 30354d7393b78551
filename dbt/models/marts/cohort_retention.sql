with cohorts as (
    select
        _sync_id,
        currency,
        first_month as cohort,
        count(*) as customers,
        sum(end_minor_units) as mrr
    from {{ ref('customer_mrr_by_month') }}
    where month = first_month
    group by _sync_id, currency, first_month
),

retained as (
    select
        _sync_id,
        currency,
        first_month as cohort,
        month,
        count(*) as customers,
        sum(end_minor_units) as mrr
    from {{ ref('customer_mrr_by_month') }}
    where end_minor_units > 0
    group by _sync_id, currency, first_month, month
)

select
    cohorts._sync_id,
    cohorts.cohort,
    cohorts.currency,
    months.month::date as month,
    (
        12 * extract(year from age(months.month, cohorts.cohort))
        + extract(month from age(months.month, cohorts.cohort))
    )::int as months_since,
    cohorts.customers,
    coalesce(retained.customers, 0) as retained_customers,
    round(100.0 * coalesce(retained.customers, 0) / cohorts.customers, 2) as retained_percent,
    coalesce(retained.mrr, 0) as mrr_minor_units,
    {{ stripe_views.amount_of('coalesce(retained.mrr, 0)', 'cohorts.currency') }} as mrr,
    round(100.0 * coalesce(retained.mrr, 0) / cohorts.mrr, 2) as mrr_percent
from cohorts
cross join lateral generate_series(
    cohorts.cohort::timestamp, {{ stripe_views.month_of('now()') }}::timestamp, interval '1 month'
) as months (month)
left join retained
    on
        cohorts._sync_id = retained._sync_id
        and cohorts.currency = retained.currency
        and cohorts.cohort = retained.cohort
        and months.month = retained.month
