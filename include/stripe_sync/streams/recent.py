"""Change events backwards, newest first, and which records there are: for people who look.

A page reads a bounded number of rows whatever is selected, so it may end before it is full.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from stripe_sync.errors import ConfigurationError
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import Row, StreamItem
from stripe_sync.streams.page import MAX_ITEMS, Queries, find_items, known_syncs
from stripe_sync.streams.selection import Selection, Stream, StreamSync

_LAST_SYNC = UUID(int=(1 << 128) - 1)
_MAX_BYTES = 4 << 20
"""Bytes, as they are stored, after which a page ends; its last item may exceed them."""

_WINDOW = 2_000
"""Keys that one query reads where not all are wanted."""

_SECONDS = 1.0
_MOST_COUNTED = 20_000
_MOST_FOUND = 100

_KEYS = """
SELECT created_at, sync_id, seq, collection_id, upstream_id, event_type,
    pg_column_size(data), source, stripe_event_id
FROM stripe_raw.events
"""
_BEFORE_IN_SYNC = "sync_id = %(sync)s AND seq < %(before_seq)s", "seq DESC"
_BEFORE = (
    "sync_id = ANY(%(syncs)s::uuid[]) AND created_at <= %(before_at)s"
    " AND (created_at, sync_id, seq) < (%(before_at)s, %(before_sync)s, %(before_seq)s)",
    "created_at DESC, sync_id DESC, seq DESC",
)

_COUNT = """
SELECT count(*) FROM stripe_raw.events
WHERE sync_id = %(sync)s AND seq > %(after)s AND seq <= %(until)s
    AND (%(collections)s::text[] = '{}' OR collection_id = ANY(%(collections)s::text[]))
    AND (%(event_types)s::text[] = '{}' OR event_type = ANY(%(event_types)s::text[]))
    AND (%(upstream_id)s::text IS NULL OR upstream_id = %(upstream_id)s)
"""

# From one object to the next in the index: an object may have any number of change events.
_FIND = """
WITH RECURSIVE found AS (
    (SELECT collection_id, sync_id FROM stripe_raw.events WHERE upstream_id = %(id)s
     ORDER BY collection_id, sync_id LIMIT 1)
    UNION ALL
    SELECT further.collection_id, further.sync_id FROM found, LATERAL (
        SELECT event.collection_id, event.sync_id FROM stripe_raw.events AS event
        WHERE event.upstream_id = %(id)s
            AND (event.collection_id, event.sync_id) > (found.collection_id, found.sync_id)
        ORDER BY event.collection_id, event.sync_id LIMIT 1
    ) AS further
)
SELECT record.sync_id, sync.name, sync.livemode, record.collection_id, record.upstream_id,
    record.deleted
FROM (SELECT * FROM found LIMIT %(limit)s) AS found
JOIN stripe_raw.records AS record ON record.collection_id = found.collection_id
    AND record.sync_id = found.sync_id AND record.upstream_id = %(id)s
JOIN stripe_sync.syncs AS sync ON sync.id = record.sync_id AND sync.status <> 'deleting'
ORDER BY record.deleted, record.collection_id, sync.name
"""

_CHILDREN = """
SELECT %(sync)s::uuid, sync.name, sync.livemode, child.collection_id, child.upstream_id,
    child.deleted
FROM unnest(%(collections)s::text[]) AS wanted (collection_id)
CROSS JOIN stripe_sync.syncs AS sync
CROSS JOIN LATERAL (
    SELECT collection_id, upstream_id, deleted FROM stripe_raw.records AS record
    WHERE record.collection_id = wanted.collection_id AND record.sync_id = sync.id
        AND record.parent_id = %(parent)s
    LIMIT %(limit)s
) AS child
WHERE sync.id = %(sync)s
ORDER BY child.collection_id, child.deleted, child.upstream_id
"""

_PARENT_ID = """
SELECT parent_id FROM stripe_raw.records
WHERE collection_id = %(collection)s AND sync_id = %(sync)s AND upstream_id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """A change event, and where it comes from.

    Attributes:
        item: The change event.
        created_at: When it was stored.
        source: ``backfill``, ``poll``, ``mutation``, ``reconcile`` or ``erase``.
        stripe_event_id: The Stripe event that reported the change; None where none did.
    """

    item: StreamItem
    created_at: datetime
    source: str
    stripe_event_id: str | None


@dataclass(frozen=True, slots=True)
class RecentPage:
    """Change events, newest first.

    Attributes:
        events: Those of the page.
        before: Where the page of older ones begins, as an opaque text; None where there is none.
        ends: Ends of the streams when the page was read; live reading after a first page goes on
            here.
    """

    events: list[RecentEvent]
    before: str | None
    ends: StreamCursor


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record by its names.

    Attributes:
        sync_id: Its sync.
        sync: Name of the sync.
        livemode: Whether the sync has live data.
        collection_id: ``stripe:customer``.
        upstream_id: Stripe's id of the object.
        deleted: Whether it is gone from Stripe.
    """

    sync_id: UUID
    sync: str
    livemode: bool
    collection_id: str
    upstream_id: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class RelatedRecords:
    """What belongs to a record.

    Attributes:
        parent_id: Stripe's id of the object that it belongs to; None where it has none.
        children: Records that belong to it, by collection; of each collection some only.
    """

    parent_id: str | None
    children: dict[str, list[FoundRecord]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: after this change event, which is not part of it."""

    at: datetime = datetime(9999, 1, 1, tzinfo=UTC)
    sync: UUID = _LAST_SYNC
    seq: int = (1 << 63) - 1

    def __str__(self) -> str:
        return f"{self.seq}_{self.sync.hex}_{self.at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"

    @classmethod
    def parse(cls, text: str) -> _Place:
        try:
            seq, sync, at = text.split("_")
            moment = datetime.strptime(at, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
            place = cls(moment, UUID(hex=sync), int(seq))
        except ValueError:
            place = None
        if place is None or str(place) != text or not 0 <= place.seq < 1 << 63:
            message = "before: pass it as it was returned"
            raise ConfigurationError(message, param="before")
        return place


def read_recent(selection: Selection, before: str | None, limit: int) -> Queries[RecentPage]:
    """The newest change events, or those before a page.

    Args:
        selection: What to read, of the event stream.
        before: ``before`` of the page after this one; None for the newest.
        limit: Most change events, 1 to ``MAX_ITEMS``.

    Raises:
        ConfigurationError: The limit is out of range, or ``before`` is no such text.
        SyncNotFound: There is no such sync.
    """
    if not 1 <= limit <= MAX_ITEMS:
        message = f"limit must be 1 to {MAX_ITEMS}"
        raise ConfigurationError(message, param="limit")
    place = _Place() if before is None else _Place.parse(before)
    chosen = selection.choose((yield from known_syncs()))
    ends = StreamCursor({sync.id: sync.last_seq for sync in chosen})
    if not chosen:
        return RecentPage([], None, ends)
    keys, older = yield from _find_keys(selection, chosen, place, limit)
    items = yield from find_items(Stream.EVENTS, [(row[1], row[2]) for row in keys])
    by_key = {item.key: item for item in items}
    events = [
        RecentEvent(by_key[row[1], row[2]], row[0], row[7], row[8])
        for row in keys
        if (row[1], row[2]) in by_key
    ]
    return RecentPage(events, str(older) if older else None, ends)


def _find_keys(
    selection: Selection, syncs: Sequence[StreamSync], place: _Place, limit: int
) -> Queries[tuple[list[Row], _Place | None]]:
    """Keys of a page, and where the next one begins."""
    until, left, found = time.monotonic() + _SECONDS, _MAX_BYTES, list[Row]()
    ends = {sync.id: sync.last_seq for sync in syncs}
    query = _query_of(selection, syncs)
    window = limit + 1 if selection.upstream_id or not selection.filters_rows else _WINDOW
    while True:
        rows = yield query, _values(selection, ends, place, window)
        for row in rows:
            if len(found) == limit or left <= 0:
                return found, place
            place = _Place(*row[:3])
            # What was stored after the ends were read comes with the next live page.
            if row[2] <= ends[row[1]] and selection.matches(*row[3:6]):
                found.append(row)
                left -= row[6]
        if len(rows) < window:
            return found, None
        if len(found) == limit or time.monotonic() >= until:
            return found, place


def _query_of(selection: Selection, syncs: Sequence[StreamSync]) -> str:
    condition, order = _BEFORE_IN_SYNC if len(syncs) == 1 else _BEFORE
    if selection.upstream_id:
        condition += " AND upstream_id = %(upstream_id)s"
        if selection.collections:
            condition += " AND collection_id = ANY(%(collections)s::text[])"
    return f"{_KEYS} WHERE {condition} ORDER BY {order} LIMIT %(limit)s"


def _values(
    selection: Selection, ends: Mapping[UUID, int], place: _Place, limit: int
) -> dict[str, Any]:
    return {
        "sync": next(iter(ends)),
        "syncs": list(ends),
        "before_at": place.at,
        "before_sync": place.sync,
        "before_seq": place.seq,
        "upstream_id": selection.upstream_id,
        "collections": sorted(selection.collections),
        "limit": limit,
    }


def count_events(selection: Selection, after: StreamCursor, until: StreamCursor) -> Queries[int]:
    """Number of change events between two cursors; of a long stretch only those near its end.

    Args:
        selection: Which ones; its syncs do not count, those of ``until`` do.
        after: The first cursor.
        until: The second one.
    """
    total = 0
    for sync, end in until.positions.items():
        start = after.positions.get(sync, 0)
        if start >= end:
            continue
        if not selection.filters_rows:
            total += end - start
            continue
        values = {
            "sync": sync,
            "after": max(start, end - _MOST_COUNTED),
            "until": end,
            "collections": sorted(selection.collections),
            "event_types": sorted(selection.event_types),
            "upstream_id": selection.upstream_id,
        }
        [[count]] = yield _COUNT, values
        total += count
    return total


def find_records(upstream_id: str) -> Queries[list[FoundRecord]]:
    """The records with an id, of any sync and collection; deleted ones last.

    Args:
        upstream_id: Stripe's id of the object.

    Returns:
        At most 100.

    Raises:
        ConfigurationError: No id of Stripe has such characters.
    """
    Selection.of(Stream.RECORDS, upstream_id=upstream_id)
    rows = yield _FIND, {"id": upstream_id, "limit": _MOST_FOUND}
    return [FoundRecord(*row) for row in rows]


def find_related(
    sync_id: UUID, collection_id: str, upstream_id: str, collections: Sequence[str], limit: int
) -> Queries[RelatedRecords]:
    """The parent and the children of a record.

    Args:
        sync_id: Its sync.
        collection_id: Its collection.
        upstream_id: Its id.
        collections: Ids of the collections whose records may belong to it.
        limit: Most children of each collection.
    """
    key = {"sync": sync_id, "collection": collection_id, "id": upstream_id}
    parents = yield _PARENT_ID, key
    rows = yield (
        _CHILDREN,
        {"sync": sync_id, "parent": upstream_id, "collections": collections, "limit": limit},
    )
    children: dict[str, list[FoundRecord]] = {}
    for row in rows:
        children.setdefault(row[3], []).append(FoundRecord(*row))
    return RelatedRecords(parents[0][0] if parents else None, children)
