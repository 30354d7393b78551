with payments as (
    select
        _sync_id,
        {{ stripe_views.month_of('created_ts') }} as month,
        currency,
        count(*) as payments,
        sum(amount_captured) as gross
    from {{ ref('charges') }}
    where status = 'succeeded' and amount_captured > 0 and not _deleted
    group by 1, 2, 3
),

refunds as (
    select
        _sync_id,
        {{ stripe_views.month_of('created_ts') }} as month,
        currency,
        count(*) as refunds,
        sum(amount) as refunded
    from {{ ref('refunds') }}
    where status in ('succeeded', 'pending') and not _deleted
    group by 1, 2, 3
),

months as (
    select
        _sync_id,
        month,
        currency,
        coalesce(payments.payments, 0) as payments,
        coalesce(payments.gross, 0) as gross,
        coalesce(refunds.refunds, 0) as refunds,
        coalesce(refunds.refunded, 0) as refunded
    from payments
    full join refunds using (_sync_id, month, currency)
)

select
    _sync_id,
    month,
    currency,
    payments,
    gross as gross_minor_units,
    {{ stripe_views.amount_of('gross') }} as gross,
    refunds,
    refunded as refunded_minor_units,
    {{ stripe_views.amount_of('refunded') }} as refunded,
    gross - refunded as revenue_minor_units,
    {{ stripe_views.amount_of('gross - refunded') }} as revenue
from months
