select
    syncs.name as sync,
    state.sync_id,
    state.collection_id,
    state.status,
    state.message,
    state.permission,
    state.percent,
    state.objects,
    state.requests,
    state.seconds,
    state.generation,
    state.started_at,
    state.finished_at,
    state.updated_at
from {{ source('stripe_sync', 'collection_state') }} as state
inner join {{ source('stripe_sync', 'syncs') }} as syncs on syncs.id = state.sync_id
