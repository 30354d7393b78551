select
    id,
    sync_id,
    resource_id,
    collection_id,
    upstream_id,
    deleted,
    payload,
    payload_hash,
    inserted_at,
    updated_at,
    upstream_updated_at,
    upsert_opts,
    updated_idx,
    seq
from {{ source('stripe_raw', 'records') }}
