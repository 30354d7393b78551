"""Stored objects read back: as parents of others, and as children of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.engine import Engine

from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables

_records = tables.records


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A record that is not deleted.

    Attributes:
        upstream_id: Its key within its collection.
        payload: The object, or the fields of it that were asked for.
        observed_at: When Stripe showed it so.
        api_version: Version that it is rendered in.
    """

    upstream_id: str
    payload: JsonObject
    observed_at: datetime
    api_version: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Which records are looked at; all given parts must hold.

    Attributes:
        paths: One of these dotted paths leads to something; ``*`` stands for every element.
        equal: Top-level fields that hold these texts.
        reference: A top-level field that holds an id ...
        unlike: ... which begins with none of these ...
        stored_in: ... and is the key of no record of these collections.
    """

    paths: tuple[str, ...] = ()
    equal: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    unlike: tuple[str, ...] = ()
    stored_in: tuple[str, ...] = ()


class RecordQueries:
    """Reads stored objects one after the other, and what is stored below objects."""

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
            after: The last key seen; empty for the beginning.
            limit: At most so many.
            fields: Top-level fields to read; none for all.
            condition: Leave out records for which it does not hold.
        """
        columns = [
            _records.c.upstream_id,
            _records.c.payload_exact,
            _payload(fields).label("text"),
            _records.c.observed_at,
            _records.c.api_version,
        ]
        query = (
            sa.select(*columns)
            .where(
                _records.c.collection_id == collection_id,
                _records.c.sync_id == sync_id,
                _records.c.upstream_id > after,
                ~_records.c.deleted,
                *_clauses(condition),
            )
            .order_by(_records.c.upstream_id)
            .limit(limit)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return [
                StoredObject(
                    row["upstream_id"],
                    canonical_json.loads(row["payload_exact"] or row["text"]),
                    row["observed_at"],
                    row["api_version"],
                )
                for row in connection.execute(query).mappings()
            ]

    def count(self, sync_id: UUID, collection_id: str, condition: Condition | None = None) -> int:
        """Number of records of a collection that are not deleted and fulfil a condition."""
        query = sa.select(sa.func.count()).where(
            _records.c.collection_id == collection_id,
            _records.c.sync_id == sync_id,
            ~_records.c.deleted,
            *_clauses(condition),
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return connection.scalar(query) or 0

    def existing(self, sync_id: UUID, collection_id: str, upstream_ids: Sequence[str]) -> set[str]:
        """Those of these keys that have a record, be it deleted or not."""
        query = sa.select(_records.c.upstream_id).where(
            _records.c.collection_id == collection_id,
            _records.c.sync_id == sync_id,
            _records.c.upstream_id
            == sa.func.any(sa.literal(list(upstream_ids), sa.ARRAY(sa.Text))),
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return {str(row[0]) for row in connection.execute(query)}

    def children(
        self, sync_id: UUID, collection_id: str, parent_ids: Sequence[str]
    ) -> dict[str, list[str]]:
        """Keys of the records of a collection that are not deleted, by the id of their parent."""
        query = sa.select(_records.c.parent_id, _records.c.upstream_id).where(
            _records.c.collection_id == collection_id,
            _records.c.sync_id == sync_id,
            _records.c.parent_id == sa.func.any(sa.literal(list(parent_ids), sa.ARRAY(sa.Text))),
            ~_records.c.deleted,
        )
        found: dict[str, list[str]] = {}
        with explain(self.engine.url), self.engine.connect() as connection:
            for row in connection.execute(query):
                found.setdefault(str(row[0]), []).append(str(row[1]))
        return found


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
        text = _records.c.payload[condition.reference].astext
        clauses.append(text.is_not(None))
        clauses += [~text.startswith(prefix, autoescape=True) for prefix in condition.unlike]
        other = _records.alias()
        clauses += [
            ~sa.exists().where(
                other.c.collection_id == collection_id,
                other.c.sync_id == _records.c.sync_id,
                other.c.upstream_id == text,
            )
            for collection_id in condition.stored_in
        ]
    return clauses


def _json_paths(path: str) -> list[str]:
    """SQL/JSON paths for a dotted path: each ``*`` goes through an array or an object."""
    found = ["$"]
    for part in path.split("."):
        steps = ("[*]", ".*") if part == "*" else (f".{canonical_json.dumps(part).decode()}",)
        found = [before + step for before in found for step in steps]
    return [f"{each} ? (@ != null)" for each in found]
