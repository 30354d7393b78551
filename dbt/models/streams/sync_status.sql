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
    state.objects_per_second,
    state.eta,
    state.seconds,
    state.generation,
    state.started_at,
    state.finished_at,
    state.updated_at,
    again.reconciled_at,
    again.drift
from {{ source('stripe_sync', 'collection_state') }} as state
inner join {{ source('stripe_sync', 'syncs') }} as syncs on syncs.id = state.sync_id
left join lateral (
    select
        reconciled_at,
        drift
    from {{ source('stripe_sync', 'reconcile_state') }}
    where sync_id = state.sync_id and collection_id = state.collection_id
    order by reconciled_at desc nulls last
    limit 1
) as again on true
