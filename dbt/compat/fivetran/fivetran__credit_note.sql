select
    id,
    amount,
    created_ts at time zone 'UTC' as created,
    currency,
    customer_balance_transaction,
    discount_amount,
    invoice as invoice_id,
    livemode,
    memo,
    metadata::text as metadata,
    number,
    pdf,
    reason,
    stripe_sync.json_id(refunds -> 0 -> 'refund') as refund_id,
    status,
    subtotal,
    total,
    type,
    voided_at_ts at time zone 'UTC' as voided_at,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('credit_notes') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
