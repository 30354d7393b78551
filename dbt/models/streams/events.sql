select
    id,
    sync_id,
    resource_id,
    collection_id,
    upstream_id,
    event_type,
    changes,
    data,
    created_at,
    upstream_updated_at,
    seq,
    source,
    stripe_event_id,
    api_version
from {{ source('stripe_raw', 'events') }}
