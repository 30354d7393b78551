with ages as (
    select
        _sync_id,
        currency,
        case
            when due_date_ts is null or due_date_ts > now() then 'not due'
            when due_date_ts > now() - interval '30 days' then '1 to 30 days'
            when due_date_ts > now() - interval '60 days' then '31 to 60 days'
            else 'over 60 days'
        end as overdue,
        count(*) as invoices,
        sum(amount_remaining) as remaining
    from {{ ref('invoices') }}
    where status = 'open' and not _deleted
    group by 1, 2, 3
)

select
    _sync_id,
    (now() at time zone 'UTC')::date as day,
    currency,
    overdue,
    invoices,
    remaining as open_minor_units,
    {{ stripe_views.amount_of('remaining') }} as open
from ages
