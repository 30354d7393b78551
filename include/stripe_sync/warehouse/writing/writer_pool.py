"""A few loaders for many syncs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from queue import LifoQueue
from uuid import UUID

from stripe_sync.clock import Clock
from stripe_sync.records import Batch, LoadResult, RecordRow
from stripe_sync.records.diff import RecordKey
from stripe_sync.warehouse.writing.batch_writer import BatchWriter


class BatchWriterPool:
    """Loads batches from several threads, each over whichever connection is idle.

    Args:
        url: The warehouse.
        count: Connections at most; whoever finds none idle waits for one.
        clock: Gives ``created_at`` and ``updated_at``.
    """

    def __init__(self, url: str, count: int, clock: Clock | None = None) -> None:
        self._all = [BatchWriter(url, clock) for _ in range(count)]
        self._idle: LifoQueue[BatchWriter] = LifoQueue()
        for writer in self._all:
            self._idle.put(writer)

    def load(self, batch: Batch) -> LoadResult:
        """Apply a batch, as ``Loader.load`` does."""
        with self._one() as writer:
            return writer.load(batch)

    def stored(self, sync_id: UUID, keys: Collection[RecordKey]) -> dict[RecordKey, RecordRow]:
        """What is stored, as ``Loader.stored`` tells it."""
        with self._one() as writer:
            return writer.stored(sync_id, keys)

    def close(self) -> None:
        """Close all connections; no load may be under way."""
        for writer in self._all:
            writer.close()

    @contextmanager
    def _one(self) -> Iterator[BatchWriter]:
        writer = self._idle.get()
        try:
            yield writer
        finally:
            self._idle.put(writer)
