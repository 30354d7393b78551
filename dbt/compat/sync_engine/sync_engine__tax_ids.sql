select
    id,
    object,
    country,
    customer,
    type,
    value,
    {{ stripe_views.int4('created') }} as created,
    livemode,
    owner,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('tax_ids') }} as _account_id
from {{ ref('tax_ids') }} as tax_ids
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
