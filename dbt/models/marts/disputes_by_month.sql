with disputes as (
    select
        _sync_id,
        {{ stripe_views.month_of('created_ts') }} as month,
        currency,
        reason,
        count(*) as disputes,
        count(*) filter (where status = 'won') as won,
        count(*) filter (where status = 'lost') as lost,
        sum(amount) as amount,
        coalesce(sum(amount) filter (where status = 'lost'), 0) as amount_lost
    from {{ ref('disputes') }}
    where not _deleted
    group by 1, 2, 3, 4
)

select
    _sync_id,
    month,
    currency,
    reason,
    disputes,
    won,
    lost,
    disputes - won - lost as others,
    amount as amount_minor_units,
    {{ stripe_views.amount_of('amount') }} as amount,
    amount_lost as lost_minor_units,
    {{ stripe_views.amount_of('amount_lost') }} as amount_lost
from disputes
