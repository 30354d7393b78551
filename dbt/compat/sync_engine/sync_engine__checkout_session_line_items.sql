select
    id,
    object,
    {{ stripe_views.int4('amount_discount') }} as amount_discount,
    {{ stripe_views.int4('amount_subtotal') }} as amount_subtotal,
    {{ stripe_views.int4('amount_tax') }} as amount_tax,
    {{ stripe_views.int4('amount_total') }} as amount_total,
    currency,
    description,
    price,
    {{ stripe_views.int4('quantity') }} as quantity,
    _parent_id as checkout_session,
    _updated_at as updated_at,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('checkout_session_line_items') }} as _account_id
from {{ ref('line_items') }} as checkout_session_line_items
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
    and _parent_id like 'cs\_%'
