-- A record equals its newest change event: payload, stream position, deletion. When created_events is
-- off for a sync, records of a backfill have no change event until they change.
with newest_events as (
    select distinct on (collection_id, sync_id, upstream_id)
        collection_id,
        sync_id,
        upstream_id,
        event_type,
        data,
        seq
    from {{ ref('events') }}
    order by collection_id, sync_id, upstream_id, seq desc
)

select
    coalesce(records.sync_id, newest_events.sync_id) as sync_id,
    coalesce(records.collection_id, newest_events.collection_id) as collection_id,
    coalesce(records.upstream_id, newest_events.upstream_id) as upstream_id,
    records.seq as record_seq,
    newest_events.seq as event_seq
from {{ ref('records') }} as records
full join newest_events using (collection_id, sync_id, upstream_id)
left join {{ source('stripe_sync', 'syncs') }} as syncs
    on syncs.id = coalesce(records.sync_id, newest_events.sync_id)
where (
    records.seq is distinct from newest_events.seq
    or records.payload is distinct from newest_events.data
    or records.deleted is distinct from (newest_events.event_type = 'deleted')
)
and not (
    newest_events.seq is null
    and records.updated_idx = 1
    and coalesce(syncs.settings ->> 'created_events' = 'false', false)
)
