"""The merge of the staged rows, which gives each change event its ``seq``, the stream position."""

from __future__ import annotations

from stripe_sync.warehouse.notifications import NOTIFY

# This last statement of the transaction locks the sync's stream position until the commit, so that
# the order of positions is the order of commits. NOTIFY is sent with the commit.
_MERGE = """
WITH base AS (
    UPDATE stripe_sync.stream_position SET last_seq = last_seq + %(count)s
    WHERE sync_id = %(sync_id)s
    RETURNING last_seq - %(count)s AS seq
), new_events AS (
    INSERT INTO stripe_raw.events (
        sync_id, seq, id, resource_id, collection_id, upstream_id, event_type, changes, data,
        data_exact, created_at, upstream_updated_at, source, stripe_event_id, api_version)
    SELECT %(sync_id)s, base.seq + ordinal, event_id, %(resource_id)s, collection_id, upstream_id,
        event_type, changes, payload, payload_exact, created_at, upstream_updated_at, %(source)s,
        stripe_event_id, api_version
    FROM base, pg_temp.stripe_stage
    WHERE event_type IS NOT NULL
), new_records AS (
    INSERT INTO stripe_raw.records AS r (
        collection_id, sync_id, upstream_id, id, resource_id, deleted, payload, payload_exact,
        payload_hash, inserted_at, updated_at, upstream_updated_at, updated_idx, seq, observed_at,
        api_version, parent_id)
    SELECT collection_id, %(sync_id)s, upstream_id, record_id, %(resource_id)s, deleted, payload,
        payload_exact, payload_hash, inserted_at, created_at, record_upstream_updated_at,
        updated_idx, base.seq + ordinal, observed_at, api_version, parent_id
    FROM base, pg_temp.stripe_stage
    WHERE record_id IS NOT NULL
    {on_conflict}
)
SELECT seq + %(count)s, pg_current_xact_id()::text, {notify}
FROM base
""".replace("{notify}", NOTIFY)

_REPLACE = """ON CONFLICT (collection_id, sync_id, upstream_id) DO UPDATE SET
        resource_id = excluded.resource_id, deleted = excluded.deleted, payload = excluded.payload,
        payload_exact = excluded.payload_exact, payload_hash = excluded.payload_hash,
        updated_at = excluded.updated_at, upstream_updated_at = excluded.upstream_updated_at,
        updated_idx = excluded.updated_idx, seq = excluded.seq,
        observed_at = excluded.observed_at, api_version = excluded.api_version,
        parent_id = excluded.parent_id"""

# Without ON CONFLICT the statement takes a seventh less time.
MERGE_NEW = _MERGE.replace("{on_conflict}", "")
"""For batches whose records are all new."""

MERGE = _MERGE.replace("{on_conflict}", _REPLACE)
"""For batches with stored records."""
