select
    id,
    object,
    address,
    description,
    email,
    metadata,
    name,
    phone,
    shipping,
    {{ stripe_views.int4('balance') }} as balance,
    {{ stripe_views.int4('created') }} as created,
    currency,
    default_source,
    delinquent,
    {{ stripe_views.discount_with_coupon('customers') }} as discount,
    invoice_prefix,
    invoice_settings,
    livemode,
    {{ stripe_views.int4('next_invoice_sequence') }} as next_invoice_sequence,
    preferred_locales,
    tax_exempt,
    _updated_at as updated_at,
    _deleted as deleted,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('customers') }} as _account_id
from {{ ref('customers') }} as customers
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
