select
    id,
    checkout_session,
    coupon as coupon_id,
    customer as customer_id,
    invoice as invoice_id,
    invoice_item as invoice_item_id,
    subscription as subscription_id,
    end_ts at time zone 'UTC' as "end",
    start_ts at time zone 'UTC' as start,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('discounts') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
    and subscription is not null
