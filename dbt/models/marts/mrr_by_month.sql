with movements as (
    select
        _sync_id,
        month,
        currency,
        count(*) filter (where end_minor_units > 0) as customers,
        sum(start_minor_units) as at_start,
        {%- for movement in ['new', 'reactivation', 'expansion', 'contraction', 'churn'] %}
        coalesce(sum(end_minor_units - start_minor_units) filter (
            where movement = '{{ movement }}'
        ), 0) as of_{{ movement }},
        {%- endfor %}
        sum(end_minor_units) as at_end
    from {{ ref('customer_mrr_by_month') }}
    group by _sync_id, month, currency
)

select
    _sync_id,
    month,
    currency,
    customers,
    at_start as start_minor_units,
    {{ stripe_views.amount_of('at_start') }} as start_mrr,
    {%- for movement in ['new', 'reactivation', 'expansion', 'contraction', 'churn'] %}
    of_{{ movement }} as {{ movement }}_minor_units,
    {{ stripe_views.amount_of('of_' ~ movement) }} as {{ movement }},
    {%- endfor %}
    at_end as mrr_minor_units,
    {{ stripe_views.amount_of('at_end') }} as mrr
from movements
