"""Stores what cannot be stored as a record, in the transaction of what was read with it."""

from __future__ import annotations

from typing import Any

import psycopg

from stripe_sync.records import Batch
from stripe_sync.version import __version__

_SAVE = """
INSERT INTO stripe_sync.set_aside
    (sync_id, collection_id, key, upstream_id, reason, text, observed_at, code_version)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (sync_id, collection_id, key) DO UPDATE SET
    reason = excluded.reason, observed_at = excluded.observed_at,
    code_version = excluded.code_version
"""


def save_set_aside(cursor: psycopg.Cursor[tuple[Any, ...]], batch: Batch) -> None:
    """Store what a batch sets aside."""
    if not batch.set_aside:
        return
    cursor.executemany(
        _SAVE,
        [
            (
                batch.sync_id,
                each.collection_id,
                each.key,
                each.upstream_id,
                each.reason,
                None if each.text is None else each.text.decode(),
                each.observed_at,
                __version__,
            )
            for each in batch.set_aside
        ],
    )
