with failed as (
    select
        _sync_id,
        {{ stripe_views.month_of('created_ts') }} as month,
        currency,
        coalesce(failure_code, 'none') as failure_code,
        coalesce(outcome ->> 'reason', 'none') as decline_code,
        count(*) as charges,
        sum(amount) as amount
    from {{ ref('charges') }}
    where status = 'failed' and not _deleted
    group by 1, 2, 3, 4, 5
)

select
    _sync_id,
    month,
    currency,
    failure_code,
    decline_code,
    charges,
    amount as amount_minor_units,
    {{ stripe_views.amount_of('amount') }} as amount
from failed
