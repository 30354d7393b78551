"""Stored records: page by page, by key, by parent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.engine import Engine

from stripe_sync.records import Condition, RecordRow, StoredObject, canonical_json
from stripe_sync.records.changes.diff import RecordKey
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables
from stripe_sync.warehouse.writing import lookup

_records = tables.records


class RecordQueries:
    """Reads stored records."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def page(
        self,
        sync_id: UUID,
        collection_id: str,
        *,
        after: str,
        limit: int,
        fields: Sequence[str] = (),
        condition: Condition | None = None,
    ) -> list[StoredObject]:
        """The next records of a collection in the order of their keys, without deleted ones.

        Args:
            sync_id: The sync.
            collection_id: The collection.
            after: The last key of the page before; empty for the first page.
            limit: Maximum number of records.
            fields: Top-level fields to read; empty for all.
            condition: Only records that fulfil it.
        """
        query = (
            _select_objects(fields)
            .where(*_present(sync_id, collection_id), _records.c.upstream_id > after)
            .where(*_clauses(condition))
            .order_by(_records.c.upstream_id)
            .limit(limit)
        )
        return self._objects(query)

    def get(
        self, sync_id: UUID, collection_id: str, upstream_ids: Sequence[str]
    ) -> list[StoredObject]:
        """The records with these keys that exist and are not deleted, in no certain order."""
        query = _select_objects().where(
            *_present(sync_id, collection_id), _any_of(_records.c.upstream_id, upstream_ids)
        )
        return self._objects(query)

    def rows(self, sync_id: UUID, keys: Collection[RecordKey]) -> dict[RecordKey, RecordRow]:
        """The full rows that exist among these keys, deleted ones too."""
        with explain(self.engine.url), self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor:
                found = lookup.find_records(cursor, sync_id, keys)
                return lookup.with_payloads(cursor, sync_id, found, list(found))

    def hashes(self, sync_id: UUID, keys: Collection[RecordKey]) -> dict[RecordKey, str]:
        """The payload hashes of the records that exist among these keys, deleted ones too."""
        with explain(self.engine.url), self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor:
                found = lookup.find_records(cursor, sync_id, keys)
        return {key: record.payload_hash for key, record in found.items()}

    def count(self, sync_id: UUID, collection_id: str, condition: Condition | None = None) -> int:
        """Number of records of a collection that are not deleted and fulfil a condition."""
        query = sa.select(sa.func.count()).where(
            *_present(sync_id, collection_id), *_clauses(condition)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return connection.scalar(query) or 0

    def is_empty(self, sync_id: UUID, collection_id: str) -> bool:
        """Whether a collection has no record, not even a deleted one."""
        query = sa.select(_records.c.id).where(
            _records.c.collection_id == collection_id, _records.c.sync_id == sync_id
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return connection.scalar(query.limit(1)) is None

    def existing(self, sync_id: UUID, collection_id: str, upstream_ids: Sequence[str]) -> set[str]:
        """The keys that have a record, deleted or not."""
        query = sa.select(_records.c.upstream_id).where(
            _records.c.collection_id == collection_id,
            _records.c.sync_id == sync_id,
            _any_of(_records.c.upstream_id, upstream_ids),
        )
        return set(self._keys(query))

    def named_by(
        self,
        sync_id: UUID,
        collection_id: str,
        field: str,
        *,
        fields: Sequence[str] = (),
        values: Sequence[str] = (),
    ) -> set[str]:
        """Ids in a field of the records of a collection, without deleted ones.

        Args:
            sync_id: The sync.
            collection_id: The collection.
            field: The field.
            fields: Only of records in which one of these has a value other than null, zero, false
                and empty; none for all.
            values: Only of records in which each of ``fields`` has one of these values instead.
        """
        payload = _records.c.payload
        query = sa.select(payload[field].astext).distinct().where(*_present(sync_id, collection_id))
        query = query.where(payload[field].astext.is_not(None))
        texts = [payload[name].astext for name in fields]
        if values:
            query = query.where(*(text.in_(list(values)) for text in texts))
        elif texts:
            nothing = ("", "0", "false", "[]", "{}")
            query = query.where(sa.or_(*(text.not_in(nothing) for text in texts)))
        return set(self._keys(query))

    def keys_observed_before(
        self, sync_id: UUID, collection_id: str, before: datetime, *, after: str, limit: int
    ) -> list[str]:
        """The next keys of records that were last observed before a time, without deleted ones.

        Args:
            sync_id: The sync.
            collection_id: The collection.
            before: The time.
            after: The last key of the call before; empty for the first call.
            limit: Maximum number of keys.
        """
        query = (
            sa.select(_records.c.upstream_id)
            .where(*_present(sync_id, collection_id), _records.c.upstream_id > after)
            .where(_records.c.observed_at < before)
            .order_by(_records.c.upstream_id)
            .limit(limit)
        )
        return self._keys(query)

    def children(
        self, sync_id: UUID, collection_id: str, parent_ids: Sequence[str]
    ) -> dict[str, list[str]]:
        """Keys of the records of a collection that are not deleted, by the id of their parent."""
        query = sa.select(_records.c.parent_id, _records.c.upstream_id).where(
            *_present(sync_id, collection_id), _any_of(_records.c.parent_id, parent_ids)
        )
        children: dict[str, list[str]] = {}
        with explain(self.engine.url), self.engine.connect() as connection:
            for row in connection.execute(query):
                children.setdefault(str(row[0]), []).append(str(row[1]))
        return children

    def parents(self, sync_id: UUID, collection_id: str, parent_ids: Sequence[str]) -> set[str]:
        """Those of some ids of parents that have a record of a collection that is not deleted."""
        asked = sa.literal(list(parent_ids), sa.ARRAY(sa.Text))
        parent = sa.func.unnest(asked).column_valued("asked")
        # One record is enough: a parent may have thousands.
        has_record = sa.exists().where(
            *_present(sync_id, collection_id), _records.c.parent_id == parent
        )
        return set(self._keys(sa.select(parent).where(has_record)))

    def _keys(self, query: sa.Select[Any]) -> list[str]:
        with explain(self.engine.url), self.engine.connect() as connection:
            return [str(row[0]) for row in connection.execute(query)]

    def _objects(self, query: sa.Select[Any]) -> list[StoredObject]:
        with explain(self.engine.url), self.engine.connect() as connection:
            return [
                StoredObject(
                    row["upstream_id"],
                    canonical_json.loads(row["payload_exact"] or row["text"]),
                    row["observed_at"],
                    row["api_version"],
                    row["parent_id"],
                )
                for row in connection.execute(query).mappings()
            ]


def _select_objects(fields: Sequence[str] = ()) -> sa.Select[Any]:
    return sa.select(
        _records.c.upstream_id,
        _records.c.payload_exact,
        _payload(fields).label("text"),
        _records.c.observed_at,
        _records.c.api_version,
        _records.c.parent_id,
    )


def _present(sync_id: UUID, collection_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Records of a collection that are not deleted."""
    return (
        _records.c.collection_id == collection_id,
        _records.c.sync_id == sync_id,
        ~_records.c.deleted,
    )


def _any_of(column: sa.Column[Any], values: Sequence[str]) -> sa.ColumnElement[bool]:
    return column == sa.func.any(sa.literal(list(values), sa.ARRAY(sa.Text)))


def _payload(fields: Sequence[str]) -> sa.ColumnElement[Any]:
    if not fields:
        return sa.cast(_records.c.payload, sa.Text)
    pairs = [part for name in fields for part in (sa.literal(name), _records.c.payload[name])]
    return sa.cast(sa.func.jsonb_build_object(*pairs), sa.Text)


def _clauses(condition: Condition | None) -> list[sa.ColumnElement[bool]]:
    if condition is None:
        return []
    clauses: list[sa.ColumnElement[bool]] = []
    if condition.paths:
        paths = [variant for path in condition.paths for variant in _json_paths(path)]
        exists = sa.func.jsonb_path_exists
        clauses.append(
            sa.or_(*(exists(_records.c.payload, sa.cast(path, JSONPATH)) for path in paths))
        )
    clauses += [_records.c.payload[name].astext == text for name, text in condition.equal.items()]
    if condition.reference:
        reference = _records.c.payload[condition.reference].astext
        clauses.append(reference.is_not(None))
        clauses += [~reference.startswith(prefix, autoescape=True) for prefix in condition.unlike]
        referenced = _records.alias()
        clauses += [
            ~sa.exists().where(
                referenced.c.collection_id == collection_id,
                referenced.c.sync_id == _records.c.sync_id,
                referenced.c.upstream_id == reference,
            )
            for collection_id in condition.stored_in
        ]
    return clauses


def _json_paths(path: str) -> list[str]:
    """SQL/JSON paths of a dotted path: each ``*`` matches array elements and object members."""
    paths = ["$"]
    for part in path.split("."):
        steps = ("[*]", ".*") if part == "*" else (f".{canonical_json.dumps(part).decode()}",)
        paths = [before + step for before in paths for step in steps]
    return [f"{each} ? (@ != null)" for each in paths]
