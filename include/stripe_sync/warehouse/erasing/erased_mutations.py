"""Erases what stored mutations have of objects: their requests and Stripe's refusals.

The key of a run stays, so that nothing is executed twice. A request that is still open is never
sent: it would bring back what was erased.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import psycopg

from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject

Cursor = psycopg.Cursor[tuple[Any, ...]]

_STORED = """
SELECT key, position, upstream_id, path_params::text, body, error::text
FROM stripe_sync.mutations
WHERE sync_id = %s AND (
    upstream_id IS NOT NULL OR path_params <> '{}' OR body IS NOT NULL OR error IS NOT NULL)
"""

_ERASE = """
UPDATE stripe_sync.mutations AS m
SET body = NULL, body_hash = '', path_params = '{}', upstream_id = NULL,
    result_collection_id = NULL,
    error = CASE WHEN m.status IN ('prepared', 'sent') THEN %(error)s::jsonb
        ELSE m.error - '{message,param}'::text[] END,
    status = CASE WHEN m.status IN ('prepared', 'sent') THEN 'refused' ELSE m.status END,
    finished_at = coalesce(m.finished_at, clock_timestamp())
FROM unnest(%(keys)s::text[], %(positions)s::int[]) AS e (key, position)
WHERE m.sync_id = %(sync_id)s AND m.key = e.key COLLATE "C" AND m.position = e.position
"""

_ERROR: JsonObject = {
    "type": "invalid_request_error",
    "code": "object_erased",
    "message": "its object was erased before the outcome was known: it is not sent any more",
}

_WORD = re.compile(r"[\w.:-]+")


def erase_mutations(cursor: Cursor, sync_id: UUID, names: Collection[str]) -> None:
    """Erase what mutations have of some objects.

    Args:
        cursor: Of a transaction.
        sync_id: The sync.
        names: Ids of the objects.
    """
    cursor.execute(_STORED, (sync_id,))
    found = [(row[0], row[1]) for row in cursor if not _ids(*row[2:]).isdisjoint(names)]
    if found:
        keys, positions = zip(*found, strict=True)
        values = {"keys": list(keys), "positions": list(positions), "sync_id": sync_id}
        cursor.execute(_ERASE, {**values, "error": canonical_json.dumps(_ERROR).decode()})


def _ids(
    upstream_id: str | None, path_params: str, body: str | None, error: str | None
) -> set[str]:
    """What a mutation may be about; metadata may name the objects of others."""
    params = parse_qsl(body or "", keep_blank_values=True)
    given = {value for name, value in params if not name.startswith("metadata")}
    in_path = {str(value) for value in canonical_json.loads(path_params).values()}
    return given | in_path | {upstream_id or ""} | set(_WORD.findall(error or ""))
