select
    id,
    _parent_id as credit_note_id,
    amount,
    description,
    discount_amount,
    livemode,
    quantity,
    type,
    unit_amount,
    unit_amount_decimal,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('credit_note_line_items') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and not _deleted
