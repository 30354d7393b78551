select
    id,
    amount,
    currency,
    description,
    discountable,
    invoice as invoice_id,
    invoice_item as invoice_item_id,
    livemode,
    metadata::text as metadata,
    stripe_sync.json_moment(period -> 'end') at time zone 'UTC' as period_end,
    stripe_sync.json_moment(period -> 'start') at time zone 'UTC' as period_start,
    price as plan_id,
    price as price_id,
    proration,
    quantity,
    subscription as subscription_id,
    subscription_item as subscription_item_id,
    case parent ->> 'type'
        when 'subscription_item_details' then 'subscription'
        when 'invoice_item_details' then 'invoiceitem'
    end as type,
    id as unique_id,
    case
        when not taxes @> '[{"tax_behavior": "inclusive"}]' or taxes is null
            then pricing ->> 'unit_amount_decimal'
    end as unit_amount_excluding_tax,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('invoice_line_items') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
