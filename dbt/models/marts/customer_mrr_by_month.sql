-- A table, as what it is made of.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook="{% if is_incremental() %} delete from {{ this }} {% endif %}",
    post_hook=["{{ stripe_views.mark_table(model.description) }}", "analyze {{ this }}"],
) }}

with balances as (
    select
        periods._sync_id,
        periods.customer,
        periods.currency,
        months.month::date as month,
        sum(periods.mrr_minor_units) as mrr
    from {{ ref('subscription_mrr_history') }} as periods
    cross join lateral generate_series(
        {{ stripe_views.month_of('periods.valid_from') }}::timestamp,
        least(periods.valid_to, now()) at time zone 'UTC',
        interval '1 month'
    ) as months (month)
    where
        periods.mrr_minor_units > 0
        -- What holds at the end of the month, or now.
        and coalesce(periods.valid_to, 'infinity')
        >= least({{ stripe_views.month_begin('months.month', 1) }}, now())
    group by periods._sync_id, periods.customer, periods.currency, months.month
),

-- The month after the last of some months in a row has a balance of 0.
months as (
    select
        _sync_id,
        customer,
        currency,
        month,
        mrr
    from balances
    union all
    select
        _sync_id,
        customer,
        currency,
        (month + interval '1 month')::date as month,
        0 as mrr
    from balances
    where not exists (
        select from balances as following
        where
            following._sync_id = balances._sync_id
            and following.customer = balances.customer
            and following.currency = balances.currency
            and following.month = (balances.month + interval '1 month')::date
    )
    and balances.month < {{ stripe_views.month_of('now()') }}
),

movements as (
    select
        _sync_id,
        customer,
        currency,
        month,
        min(month) over (partition by _sync_id, customer, currency) as first_month,
        -- A balance before a gap was followed by one of 0.
        coalesce(lag(mrr) over (partition by _sync_id, customer, currency order by month), 0) as at_start,
        mrr as at_end
    from months
)

select
    _sync_id,
    customer,
    currency,
    month,
    first_month,
    case
        when month = first_month then 'new'
        when at_start = 0 then 'reactivation'
        when at_end = 0 then 'churn'
        when at_end > at_start then 'expansion'
        when at_end < at_start then 'contraction'
        else 'none'
    end as movement,
    at_start as start_minor_units,
    {{ stripe_views.amount_of('at_start') }} as start_mrr,
    at_end as end_minor_units,
    {{ stripe_views.amount_of('at_end') }} as end_mrr
from movements
