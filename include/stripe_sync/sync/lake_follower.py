"""The lake follows the stream: changes found by polling reach Parquet in files of sensible size.

Backfills write their own files. Everything else is read back from the stream by position; a file
is named by the position that it starts at, and the position moves on only after the file is
written. A process that dies in between leaves a file that the next one replaces. Followers of one
sync take turns: two files that start at one position would replace each other.
"""

from __future__ import annotations

from stripe_sync.sync.session import Session

FLUSH_ROWS = 5_000
"""Change events that make a file."""

FLUSH_SECONDS = 30.0
"""Longest time that a change waits for its file."""


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
        with warehouse.lake_lock(sync_id):
            written = self._follow()
        self._waiting = 0
        self._flushed_at = self._session.clock.monotonic()
        return written

    def _follow(self) -> int:
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        written = 0
        while True:
            position = warehouse.lake_position(sync_id)
            part = warehouse.stream_part(sync_id, after=position, limit=FLUSH_ROWS)
            if part.last_seq == position:
                return written
            if part.events:
                name = f"stream-{position + 1:020d}"
                self._session.lake.write_chunk(name, part.records, part.events)
            warehouse.set_lake_position(sync_id, part.last_seq)
            written += len(part.events)
