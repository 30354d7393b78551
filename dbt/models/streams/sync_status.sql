select
    polling.sync,
    state.collection_id,
    state.status,
    state.percent,
    coalesce(counts.records, 0) as records,
    counts.last_change_at,
    state.eta,
    state.updated_at,
    reconciled.reconciled_at,
    state.permission,
    state.message,
    polling.warning
from {{ source('stripe_sync', 'collection_state') }} as state
inner join ({{ stripe_views.polling() }}) as polling on polling.sync_id = state.sync_id
left join lateral (
    select reconciled_at
    from {{ source('stripe_sync', 'reconcile_state') }}
    where sync_id = state.sync_id and collection_id = state.collection_id
    order by reconciled_at desc nulls last
    limit 1
) as reconciled on true
left join {{ source('stripe_sync', 'collection_counts') }} as counts
    on counts.sync_id = state.sync_id and counts.collection_id = state.collection_id
