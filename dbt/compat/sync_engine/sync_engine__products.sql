select
    id,
    object,
    active,
    description,
    metadata,
    name,
    {{ stripe_views.int4('created') }} as created,
    images,
    livemode,
    package_dimensions,
    shippable,
    statement_descriptor,
    unit_label,
    {{ stripe_views.int4('updated') }} as updated,
    url,
    _updated_at as updated_at,
    marketing_features,
    default_price,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('products') }} as _account_id
from {{ ref('products') }} as products
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
