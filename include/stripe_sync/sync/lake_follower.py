"""The lake follows the stream: changes found by polling reach Parquet in files that grow.

Backfills write their own files. Everything else is read back from the stream by position, a part
at a time, and put behind what the lake has; the position moves on only after that. A process that
dies in between leaves a part that the next one replaces, since a part is known by the position
that it begins at (``lake/growing.py``). Followers of one sync take turns.

A warehouse that was restored from a backup is behind the lake: what it finds again is there
already. The follower then writes only what the lake does not know, and moves the stream past the
positions that the lake has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.engine import Connection

from stripe_sync.errors import LakeAhead
from stripe_sync.lake import LakeReader, Part
from stripe_sync.records import EventRow
from stripe_sync.sync.session import Session
from stripe_sync.warehouse.reading.streams import StreamPart

FLUSH_ROWS = 5_000
"""Change events that make a part."""

FLUSH_SECONDS = 30.0
"""Longest time that a change waits for the lake."""


class LakeFollower:
    """Writes what polling and reconciling found to the lake.

    Args:
        session: The open sync.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting = 0
        self._flushed_at = session.clock.monotonic()

    def note(self, events: int) -> None:
        """Note that change events were written to the stream."""
        self._waiting += events

    def due(self) -> bool:
        """Whether it is time to flush."""
        waited = self._session.clock.monotonic() - self._flushed_at
        return self._waiting >= FLUSH_ROWS or (self._waiting > 0 and waited >= FLUSH_SECONDS)

    def flush(self) -> int:
        """Write everything that is not in the lake yet.

        Returns:
            Number of change events written.

        Raises:
            LakeError: The lake cannot be written; nothing is lost, the next flush tries again.
            WarehouseError: The warehouse cannot be read.
        """
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        with warehouse.locks.lake(sync_id) as lock_connection:
            written = self._follow(lock_connection)
        self._waiting = 0
        self._flushed_at = self._session.clock.monotonic()
        return written

    def _follow(self, lock_connection: Connection) -> int:
        written = 0
        while (found := self._next()).last_seq > found.after:
            if found.events:
                part = Part(found.after + 1, found.last_seq)
                try:
                    self._session.lake.append_part(part, found.records, found.events)
                except LakeAhead:
                    return written + self._catch_up(lock_connection)
            self._note(found, lock_connection)
            written += len(found.events)
        return written

    def _catch_up(self, lock_connection: Connection) -> int:
        """Write what the lake does not know yet, whatever positions it has seen."""
        history = LakeReader(self._session.lake)
        reach = history.numbering().position
        written = 0
        while (found := self._next()).last_seq > found.after:
            fresh = _unknown(history, found.events)
            if fresh:
                reach += 1
                moved = {(event.collection_id, event.upstream_id) for event in fresh}
                records = [r for r in found.records if (r.collection_id, r.upstream_id) in moved]
                self._session.lake.append_part(Part(reach, reach), records, fresh)
            self._note(found, lock_connection)
            written += len(fresh)
        self._session.warehouse.numbering.skip_positions(self._session.sync.id, reach)
        return written

    def _next(self) -> StreamPart:
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        after = warehouse.streams.lake_position(sync_id)
        return warehouse.streams.next_part(sync_id, after=after, limit=FLUSH_ROWS)

    def _note(self, part: StreamPart, lock_connection: Connection) -> None:
        # Who lost the turn with the connection fails here, and the next one does it again.
        self._session.warehouse.streams.set_lake_position(
            self._session.sync.id, part.last_seq, lock_connection
        )


def _unknown(history: LakeReader, events: Sequence[EventRow]) -> list[EventRow]:
    collections: dict[str, list[EventRow]] = {}
    for event in events:
        collections.setdefault(event.collection_id.partition(":")[2], []).append(event)
    known: set[UUID] = set()
    for name, some in collections.items():
        known |= history.known(name, [event.id for event in some])
    return [event for event in events if event.id not in known]
