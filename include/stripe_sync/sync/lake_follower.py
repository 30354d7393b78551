"""Copies change events from the warehouse's stream to the lake.

Backfills write their own lake files. Change events of polling, reconciles and mutations are read
back from the stream in order of ``seq``, one part at a time, and written to new files of the lake;
the lake position moves after that. A process that dies in between leaves a part that the next one
completes: a part is identified by the position at which it begins (``lake/append.py``). Followers
of one sync take turns; one that lost its lock meanwhile moves no position.

A warehouse that was restored from a backup is behind the lake. The follower then writes only the
change events whose ids the lake lacks, and moves the stream past the positions that the lake uses.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection

from stripe_sync.errors import LakeAhead
from stripe_sync.lake import LakeReader, Part
from stripe_sync.sync.session import Session
from stripe_sync.warehouse.reading.streams import StreamPart

FLUSH_ROWS = 5_000
"""Change events in one part."""

_RUN_SECONDS = 300.0
"""Longest time until another run of ``stripe_poll`` ends."""


class LakeFollower:
    """Appends change events that no backfill wrote to the lake.

    A flush takes one connection of the warehouse's pool, that of its lock, and no second one: many
    flushes at a time would wait for each other's.

    Args:
        session: The open sync.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pending = 0
        self._flushed_at = session.clock.monotonic()

    def add_pending(self, events: int) -> None:
        """Count change events that were committed to the stream."""
        self._pending += events

    def is_due(self) -> bool:
        """Whether it is time to flush."""
        waited = self._session.clock.monotonic() - self._flushed_at
        seconds = self._session.settings.lake_flush_seconds
        return self._pending >= FLUSH_ROWS or (self._pending > 0 and waited >= seconds)

    def flush(self) -> int:
        """Append all change events that the lake lacks.

        Returns:
            Number of change events written.

        Raises:
            LakeError: The lake cannot be written; the next flush writes the same.
            WarehouseError: The warehouse cannot be read.
        """
        written = 0
        while (part := self._copy_part()) is not None:
            written += part
        self._pending = 0
        self._flushed_at = self._session.clock.monotonic()
        return written

    def flush_if_due(self) -> int:
        """Flush at the end of a run, unless the next one can do it in time.

        Returns:
            Number of change events written.

        Raises:
            LakeError: The lake cannot be written; the next flush writes the same.
            WarehouseError: The warehouse cannot be read.
        """
        session = self._session
        if (wait := session.settings.lake_flush_seconds - _RUN_SECONDS) > 0:
            position = session.warehouse.lake_position.get(session.sync.id)
            since = session.warehouse.streams.begins_at(session.sync.id, after=position)
            if since is None or (session.clock.now() - since).total_seconds() < wait:
                return 0
        return self.flush()

    def _copy_part(self) -> int | None:
        """Append the next part and return its size; None when the lake has the whole stream.

        Position and lock end with one commit, so a follower that has lost its lock moves nothing.
        """
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        with warehouse.locks.lake(sync_id) as lock_connection:
            position = warehouse.lake_position.get(sync_id, lock_connection)
            batch = self._next_part(position, lock_connection)
            if batch.last_seq <= batch.after:
                return None
            if batch.events:
                part = Part(batch.after + 1, batch.last_seq)
                try:
                    self._session.lake.append_part(part, batch.records, batch.events)
                except LakeAhead:
                    return self._catch_up(batch.after, lock_connection)
            warehouse.lake_position.advance(sync_id, batch.last_seq, lock_connection)
            return len(batch.events)

    def _catch_up(self, after: int, lock_connection: Connection) -> int:
        """Append the change events whose ids the lake lacks, after its last position."""
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        lake_reader = LakeReader(self._session.lake)
        position = lake_reader.watermarks().position
        written = 0
        while (batch := self._next_part(after, lock_connection)).last_seq > after:
            events = lake_reader.lacking_events(batch.events)
            if events:
                position += 1
                keys = {(event.collection_id, event.upstream_id) for event in events}
                records = [r for r in batch.records if (r.collection_id, r.upstream_id) in keys]
                # They are written first: a process may have died before it wrote their events.
                records = lake_reader.lacking_records(records)
                self._session.lake.append_part(Part(position, position), records, events)
            after = batch.last_seq
            written += len(events)
        warehouse.streams.skip_to(sync_id, position, lock_connection)
        warehouse.lake_position.advance(sync_id, after, lock_connection)
        return written

    def _next_part(self, after: int, lock_connection: Connection) -> StreamPart:
        return self._session.warehouse.streams.next_part(
            self._session.sync.id, after=after, limit=FLUSH_ROWS, connection=lock_connection
        )
