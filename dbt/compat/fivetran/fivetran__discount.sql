-- One row for each invoice that a discount lowered, with the amount; one row for any other discount.
with applied as (
    select
        invoices._sync_id,
        invoices.id as invoice,
        stripe_sync.json_id(part.detail -> 'discount') as discount,
        stripe_sync.json_bigint(part.detail -> 'amount') as amount,
        invoices.customer,
        invoices._updated_at
    from {{ ref('invoices') }} as invoices
    cross join lateral jsonb_array_elements(stripe_sync.json_list(invoices.total_discount_amounts))
        as part (detail)
    where not invoices._deleted and {{ stripe_views.of_chosen_sync('compat_fivetran') }}
),

discounts as (
    select *
    from {{ ref('discounts') }}
    where not _deleted and {{ stripe_views.of_chosen_sync('compat_fivetran') }}
)

select
    coalesce(discounts.id, applied.discount) as id,
    case
        when applied.invoice is not null or discounts.invoice is not null then 'invoice'
        when discounts.subscription is not null then 'subscription'
        when discounts.checkout_session is not null then 'checkout_session'
        else 'customer'
    end as type,
    coalesce(
        applied.invoice,
        discounts.invoice,
        discounts.subscription,
        discounts.checkout_session,
        discounts.customer
    ) as type_id,
    applied.amount,
    discounts.checkout_session as checkout_session_id,
    null::text as checkout_session_line_item_id,
    discounts.coupon as coupon_id,
    null::text as credit_note_line_item_id,
    coalesce(discounts.customer, applied.customer) as customer_id,
    coalesce(applied.invoice, discounts.invoice) as invoice_id,
    discounts.invoice_item as invoice_item_id,
    discounts.promotion_code,
    discounts.subscription as subscription_id,
    discounts.end_ts at time zone 'UTC' as "end",
    discounts.start_ts at time zone 'UTC' as start,
    coalesce(applied._updated_at, discounts._updated_at) at time zone 'UTC' as _fivetran_synced,
    coalesce(discounts._sync_id, applied._sync_id) as _sync_id
from discounts
full join applied on applied.discount = discounts.id and applied._sync_id = discounts._sync_id
