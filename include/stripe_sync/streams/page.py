"""A page of a stream. It asks for rows and does not care who gets them: see ``Queries``."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from stripe_sync.errors import ConfigurationError, RecordNotFound
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import RECORD_SYNC, SELECT, ItemKey, Row, StreamItem, item_of
from stripe_sync.streams.selection import Selection, Stream, StreamSync

Result = TypeVar("Result")
Query = tuple[str, Mapping[str, Any]]
Queries = Generator[Query, Sequence[Row], Result]
"""Yields queries, gets their rows, returns a result: the same for blocking and for asynchronous
connections. Each query is a transaction of its own."""

MAX_ITEMS = 1_000
MAX_BYTES = 8 << 20
"""Bytes after which a page ends; its last item may exceed them."""

_BATCH = 250
"""Rows of the first query of a page: 5 MB of invoices with many lines."""
_WINDOW = 20_000
_SECONDS = 1.0

_SYNCS = """
SELECT sync.id, sync.name, sync.resource_id, coalesce(position.last_seq, 0)
FROM stripe_sync.syncs AS sync
LEFT JOIN stripe_sync.stream_position AS position ON position.sync_id = sync.id
WHERE sync.status <> 'deleting' ORDER BY sync.name
"""


@dataclass(frozen=True, slots=True)
class StreamPage:
    """Consecutive items.

    Attributes:
        items: In the order of ``seq`` within each sync.
        cursor: Where the next page begins.
        syncs: The syncs that were read; the cursor has a position of each.
        has_more: Whether there is more to read now; also after an empty page, which ends where
            the items that are wanted are rare.
    """

    items: list[StreamItem]
    cursor: StreamCursor
    syncs: frozenset[UUID]
    has_more: bool


def known_syncs() -> Queries[list[StreamSync]]:
    """All syncs with the ends of their streams."""
    return [StreamSync(*row) for row in (yield _SYNCS, {})]


def read_page(
    selection: Selection, after: StreamCursor, limit: int, max_bytes: int = MAX_BYTES
) -> Queries[StreamPage]:
    """The next page.

    The ends of the streams are read first, and nothing is read beyond them: as ``seq`` is in the
    order of commits, no row can appear before them later, but for a record that moves on to its
    next change.

    Args:
        selection: What to read.
        after: Where the page before ended.
        limit: Most items, 1 to ``MAX_ITEMS``.
        max_bytes: Bytes after which the page ends.

    Raises:
        ConfigurationError: The limit is out of range.
        SyncNotFound: There is no such sync.
    """
    if not 1 <= limit <= MAX_ITEMS:
        message = f"limit must be 1 to {MAX_ITEMS}"
        raise ConfigurationError(message, param="limit")
    known = yield from known_syncs()
    ends = {sync.id: sync.last_seq for sync in selection.choose(known)}
    positions = _positions(known, after)
    for sync in ends:
        positions.setdefault(sync, 0)
    reader = _PageReader(selection, limit, max_bytes)
    for sync in [sync for sync in positions if sync in ends]:
        positions[sync] = yield from reader.read(sync, positions[sync], ends[sync])
        if reader.is_full:
            # Syncs take turns: the one that filled this page is the last one of the next.
            positions[sync] = positions.pop(sync)
            break
    has_more = any(positions[sync] < end for sync, end in ends.items())
    return StreamPage(reader.items, StreamCursor(positions), frozenset(ends), has_more)


def _positions(known: Sequence[StreamSync], after: StreamCursor) -> dict[UUID, int]:
    """The positions of a cursor without those of syncs that are gone, or were made anew since."""
    ends = {sync.id: sync.last_seq for sync in known}
    return {sync: seq for sync, seq in after.positions.items() if seq <= ends.get(sync, -1)}


class _PageReader:
    """Fills a page from one sync after the other."""

    def __init__(self, selection: Selection, limit: int, max_bytes: int) -> None:
        self.items: list[StreamItem] = []
        self._selection = selection
        self._query = _query_of(selection)
        self._limit = limit
        self._bytes_left = self._max_bytes = max_bytes
        self._until = time.monotonic() + _SECONDS

    @property
    def is_full(self) -> bool:
        """Whether the page ends here."""
        full = len(self.items) >= self._limit or self._bytes_left <= 0
        return full or time.monotonic() >= self._until

    @property
    def _batch(self) -> int:
        """Rows of the next query: what has room on the page, by the size of the items so far."""
        if not self.items:
            return _BATCH
        used = self._max_bytes - self._bytes_left
        return max(1, self._bytes_left * len(self.items) // used)

    def read(self, sync: UUID, position: int, end: int) -> Queries[int]:
        """Read a sync to its end, or until the page is full; returns the new position."""
        while position < end and not self.is_full:
            limit = min(self._batch, self._limit - len(self.items))
            # Rare items must not make one query read the whole stream.
            until = min(end, position + _WINDOW) if self._selection.filters_rows else end
            rows = yield self._query, self._values(sync, position, until, limit)
            for row in rows:
                item = item_of(self._selection.stream, sync, row)
                self.items.append(item)
                position = item.seq
                self._bytes_left -= len(item.body)
                if self._bytes_left <= 0:
                    return position
            if len(rows) < limit:
                position = until
        return position

    def _values(self, sync: UUID, after: int, until: int, limit: int) -> dict[str, Any]:
        return {
            "sync": sync,
            "after": after,
            "until": until,
            "limit": limit,
            "collections": sorted(self._selection.collections),
            "upstream_id": self._selection.upstream_id,
            "event_types": sorted(self._selection.event_types),
        }


def _query_of(selection: Selection) -> str:
    conditions = ["sync_id = %(sync)s", "seq > %(after)s", "seq <= %(until)s"]
    if selection.collections:
        conditions.append("collection_id = ANY(%(collections)s::text[])")
    if selection.upstream_id:
        conditions.append("upstream_id = %(upstream_id)s")
    if selection.event_types:
        conditions.append("event_type = ANY(%(event_types)s::text[])")
    where = " AND ".join(conditions)
    return f"{SELECT[selection.stream]} WHERE {where} ORDER BY seq LIMIT %(limit)s"


def find_items(stream: Stream, keys: Sequence[ItemKey]) -> Queries[list[StreamItem]]:
    """Items by sync and position, in that order; without those that the stream lacks.

    Args:
        stream: Which one.
        keys: Of the items.
    """
    syncs: dict[UUID, list[int]] = {}
    for sync, seq in keys:
        syncs.setdefault(sync, []).append(seq)
    items = []
    for sync, seqs in syncs.items():
        rows = yield (
            f"{SELECT[stream]} WHERE sync_id = %(sync)s AND seq = ANY(%(seqs)s::bigint[])"
            " ORDER BY seq",
            {"sync": sync, "seqs": seqs},
        )
        items += [item_of(stream, sync, row) for row in rows]
    return items


def find_record(sync: str | None, collection_id: str, upstream_id: str) -> Queries[StreamItem]:
    """One record.

    Args:
        sync: Name or id of its sync; None where only one has it.
        collection_id: ``stripe:customer`` or ``customer``.
        upstream_id: Stripe's id of the object.

    Raises:
        ConfigurationError: There is no such collection, or several syncs have the record.
        RecordNotFound: There is no such record.
        SyncNotFound: There is no such sync.
    """
    selection = Selection.of(
        Stream.RECORDS,
        syncs=[sync] if sync is not None else [],
        collections=[collection_id],
        upstream_id=upstream_id,
    )
    chosen = selection.choose((yield from known_syncs()))
    rows = yield (
        f"{SELECT[Stream.RECORDS]} WHERE collection_id = %(collection)s"
        " AND upstream_id = %(upstream_id)s AND sync_id = ANY(%(syncs)s)",
        {
            "collection": next(iter(selection.collections)),
            "upstream_id": upstream_id,
            "syncs": [each.id for each in chosen],
        },
    )
    if not rows:
        message = f"there is no record {collection_id} {upstream_id}"
        raise RecordNotFound(message)
    if len(rows) > 1:
        message = "several syncs have this record: name one with sync_id"
        raise ConfigurationError(message, param="sync_id")
    (row,) = rows
    return item_of(Stream.RECORDS, UUID(row[RECORD_SYNC]), row)
