"""Objects that stored objects name and that no list returned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.records import MissingObject, canonical_json
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables

_table = tables.missing_objects
_records = tables.records

_FIRST_RETRY = timedelta(minutes=15)
_LONGEST_RETRY_DOUBLINGS = 9  # a little more than five days

_RECORDS, _MISSING = str(_records), str(_table)

# LIMIT makes the planner probe the index for each name; a join would read all records each time.
_ABSENT = f"""
    (
        SELECT r.id FROM {_RECORDS} r
        WHERE (r.sync_id, r.collection_id, r.upstream_id)
            = (:sync_id, named.collection_id, named.upstream_id)
        LIMIT 1
    ) IS NULL
"""

_NAMED = """
    unnest(
        CAST(:collections AS text[]), CAST(:ids AS text[]), CAST(:hosts AS text[]),
        CAST(:host_ids AS text[]), CAST(:fields AS text[])
    ) AS named (collection_id, upstream_id, named_by, named_by_id, field)
"""

_NAMING = f"""
SELECT r.collection_id, r.upstream_id, CASE r.collection_id {{payloads}} END::text,
    r.upstream_updated_at
FROM {_RECORDS} r
WHERE r.sync_id = :sync_id AND r.seq > :after AND r.seq <= :until AND NOT r.deleted
    AND r.collection_id = ANY(CAST(:hosts AS text[]))
ORDER BY r.seq
"""

# jsonb_to_record decodes a payload once, however many of its fields are read.
_PAYLOAD = """
WHEN '{collection_id}' THEN (
    SELECT json_strip_nulls(row_to_json(found)) FROM jsonb_to_record(r.payload) AS found ({columns})
)
"""

_ADD = f"""
INSERT INTO {_MISSING}
    (sync_id, collection_id, upstream_id, named_by, named_by_id, field)
SELECT :sync_id, * FROM {_NAMED} WHERE {_ABSENT}
ON CONFLICT (sync_id, collection_id, upstream_id) DO UPDATE
-- Its record was never stored, or is lost.
SET status = 'pending' WHERE missing_objects.status = 'unlisted'
"""

_UNKNOWN = f"""
SELECT named.collection_id, named.upstream_id
FROM unnest(CAST(:collections AS text[]), CAST(:ids AS text[]))
    AS named (collection_id, upstream_id)
WHERE {_ABSENT} AND NOT EXISTS (
    SELECT FROM {_MISSING} m
    WHERE m.status = 'gone' AND (m.sync_id, m.collection_id, m.upstream_id)
        = (:sync_id, named.collection_id, named.upstream_id)
)
"""

_DROP_STORED = f"""
DELETE FROM {_MISSING} m
WHERE m.sync_id = :sync_id AND m.status = 'pending' AND EXISTS (
    SELECT FROM {_RECORDS} r
    WHERE (r.sync_id, r.collection_id, r.upstream_id)
        = (m.sync_id, m.collection_id, m.upstream_id)
)
"""


@dataclass(frozen=True, slots=True)
class NamingRecord:
    """A stored record that may name others.

    Attributes:
        collection_id: Its collection.
        upstream_id: Its key.
        payload: Those fields of the object that were asked for and are not null.
        changed_at: When Stripe changed the object.
    """

    collection_id: str
    upstream_id: str
    payload: JsonObject
    changed_at: datetime


class MissingObjects:
    """Finds records that may name missing objects, and remembers what became of these."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def last_seq(self, sync_id: UUID) -> int:
        """Stream position of the newest change event; 0 before the first."""
        position = tables.stream_position
        query = sa.select(position.c.last_seq).where(position.c.sync_id == sync_id)
        with explain(self.engine.url), self.engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def naming_records(
        self, sync_id: UUID, fields: Mapping[str, Sequence[str]], *, after: int, until: int
    ) -> list[NamingRecord]:
        """Records of some collections in stream order, without deleted ones.

        Args:
            sync_id: The sync.
            fields: Top-level fields to read, by collection id.
            after: Stream position before the first record.
            until: Stream position of the last record.
        """
        if not fields:
            return []
        values = {"sync_id": sync_id, "after": after, "until": until, "hosts": list(fields)}
        with explain(self.engine.url), self.engine.connect() as connection:
            return [
                NamingRecord(row[0], row[1], canonical_json.loads(row[2]), row[3])
                for row in connection.execute(naming_query(fields), values)
            ]

    def add(
        self,
        sync_id: UUID,
        found: Sequence[MissingObject],
        *,
        searched: Collection[str],
        searched_seq: int,
    ) -> None:
        """Store which objects are missing, and how far records were searched.

        Args:
            sync_id: The sync.
            found: Named objects; those that are stored, or known already, are left out.
            searched: Ids of the collections that were searched for.
            searched_seq: Stream position up to which records were searched.
        """
        state = tables.collection_state
        with explain(self.engine.url), self.engine.begin() as connection:
            if found:
                connection.execute(sa.text(_ADD), {"sync_id": sync_id, **_columns(found)})
            connection.execute(
                sa.update(state)
                .where(state.c.sync_id == sync_id, state.c.collection_id.in_(list(searched)))
                .where(state.c.searched_seq < searched_seq)
                .values(searched_seq=searched_seq)
            )

    def unknown(self, sync_id: UUID, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of some keys that have no record and are not known to be gone."""
        pairs = list(keys)
        values = {"sync_id": sync_id, "collections": [c for c, _ in pairs]}
        values["ids"] = [name for _, name in pairs]
        with explain(self.engine.url), self.engine.connect() as connection:
            return {(row[0], row[1]) for row in connection.execute(sa.text(_UNKNOWN), values)}

    def pending(
        self, sync_id: UUID, collection_ids: Collection[str], now: datetime, *, limit: int
    ) -> list[MissingObject]:
        """The next missing objects of some collections to retrieve, without stored ones."""
        names = ("collection_id", "upstream_id", "named_by", "named_by_id", "field")
        query = (
            sa.select(*(_table.c[name] for name in names))
            .where(_table.c.sync_id == sync_id, _table.c.status == "pending")
            .where(_table.c.collection_id.in_(list(collection_ids)))
            .where(sa.or_(_table.c.retry_at.is_(None), _table.c.retry_at <= now))
            .order_by(_table.c.collection_id, _table.c.upstream_id)
            .limit(limit)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(sa.text(_DROP_STORED), {"sync_id": sync_id})
            return [MissingObject(*map(str, row)) for row in connection.execute(query)]

    def mark(
        self,
        sync_id: UUID,
        found: Sequence[MissingObject],
        at: datetime,
        *,
        gone: str | None = None,
    ) -> None:
        """Store what became of missing objects.

        Args:
            sync_id: The sync.
            found: The objects.
            at: When Stripe was asked for them.
            gone: Why they do not exist; None where they do and are stored.
        """
        statement = f"""
            INSERT INTO {_MISSING}
                (sync_id, collection_id, upstream_id, named_by, named_by_id, field, status,
                 message, asked_at)
            SELECT :sync_id, named.*, :status, :message, :at FROM {_NAMED}
            ON CONFLICT (sync_id, collection_id, upstream_id) DO UPDATE
            SET status = excluded.status, message = excluded.message, asked_at = excluded.asked_at
        """
        values: dict[str, Any] = {
            "status": "gone" if gone else "unlisted",
            "message": gone,
            "at": at,
        }
        if found:
            self._execute(statement, {"sync_id": sync_id, **values, **_columns(found)})

    def postpone(
        self, sync_id: UUID, found: Sequence[MissingObject], at: datetime, message: str
    ) -> None:
        """Let missing objects wait twice as long as after their last failure."""
        statement = f"""
            UPDATE {_MISSING} m
            SET attempts = attempts + 1, message = :message, asked_at = :at,
                retry_at = CAST(:at AS timestamptz)
                    + :first * CAST(power(2, least(attempts, :most)) AS int)
            FROM unnest(CAST(:collections AS text[]), CAST(:ids AS text[]))
                AS named (collection_id, upstream_id)
            WHERE (m.sync_id, m.collection_id, m.upstream_id)
                = (:sync_id, named.collection_id, named.upstream_id)
        """
        values = {"first": _FIRST_RETRY, "most": _LONGEST_RETRY_DOUBLINGS, "at": at}
        columns = _columns(found)
        self._execute(
            statement,
            {
                "sync_id": sync_id,
                "message": message,
                **values,
                "collections": columns["collections"],
                "ids": columns["ids"],
            },
        )

    def unlisted(
        self, sync_id: UUID, collection_id: str, upstream_ids: Sequence[str], since: datetime
    ) -> set[str]:
        """Those of some keys that no list returns and that were retrieved since a time."""
        query = sa.select(_table.c.upstream_id).where(
            _table.c.sync_id == sync_id,
            _table.c.collection_id == collection_id,
            _table.c.status == "unlisted",
            _table.c.asked_at >= since,
            _table.c.upstream_id == sa.func.any(sa.literal(list(upstream_ids), sa.ARRAY(sa.Text))),
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return {str(row[0]) for row in connection.execute(query)}

    def retrieved(
        self, sync_id: UUID, collection_id: str, upstream_ids: Sequence[str], at: datetime
    ) -> None:
        """Store that objects that no list returns were retrieved again."""
        self._execute(
            f"""
            UPDATE {_MISSING} SET asked_at = :at
            WHERE sync_id = :sync_id AND collection_id = :collection_id AND status = 'unlisted'
                AND upstream_id = ANY(CAST(:ids AS text[]))
            """,
            {
                "sync_id": sync_id,
                "collection_id": collection_id,
                "ids": list(upstream_ids),
                "at": at,
            },
        )

    def _execute(self, statement: str, values: dict[str, Any]) -> None:
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)


def naming_query(fields: Mapping[str, Sequence[str]]) -> sa.TextClause:
    """The query of ``naming_records``, with the parameters sync_id, after, until and hosts."""
    # Positions rather than LIMIT: before ANALYZE the planner would sort all records each time.
    payloads = " ".join(_payload_of(*each) for each in fields.items())
    return sa.text(_NAMING.format(payloads=payloads))


def _payload_of(collection_id: str, fields: Sequence[str]) -> str:
    columns = ", ".join(f'"{name}" jsonb' for name in fields)
    # A colon would begin a parameter.
    return _PAYLOAD.format(collection_id=collection_id.replace(":", r"\:"), columns=columns)


def _columns(found: Sequence[MissingObject]) -> dict[str, list[str]]:
    return {
        "collections": [each.collection_id for each in found],
        "ids": [each.upstream_id for each in found],
        "hosts": [each.named_by for each in found],
        "host_ids": [each.named_by_id for each in found],
        "fields": [each.field for each in found],
    }
