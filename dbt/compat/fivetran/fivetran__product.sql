select
    id,
    active,
    null::text as attributes,
    null::text as caption,
    created_ts at time zone 'UTC' as created,
    null::timestamp as deactivate_on,
    description,
    images::text as images,
    _deleted as is_deleted,
    livemode,
    metadata::text as metadata,
    name,
    shippable,
    statement_descriptor,
    type,
    unit_label,
    updated_ts at time zone 'UTC' as updated,
    url,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('products') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
