"""A few loaders for many syncs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from queue import LifoQueue
from uuid import UUID

from stripe_sync.clock import Clock
from stripe_sync.warehouse.changes import RecordKey
from stripe_sync.warehouse.load import Loader
from stripe_sync.warehouse.model import Batch, LoadResult, RecordRow


class Loaders:
    """Loads batches from several threads, each over whichever connection is idle.

    Args:
        url: The warehouse.
        count: Connections at most; whoever finds none idle waits for one.
        clock: Gives ``created_at`` and ``updated_at``.
    """

    def __init__(self, url: str, count: int, clock: Clock | None = None) -> None:
        self._all = [Loader(url, clock) for _ in range(count)]
        self._idle: LifoQueue[Loader] = LifoQueue()
        for loader in self._all:
            self._idle.put(loader)

    def load(self, batch: Batch) -> LoadResult:
        """Apply a batch, as ``Loader.load`` does."""
        with self._one() as loader:
            return loader.load(batch)

    def stored(self, sync_id: UUID, keys: Collection[RecordKey]) -> dict[RecordKey, RecordRow]:
        """What is stored, as ``Loader.stored`` tells it."""
        with self._one() as loader:
            return loader.stored(sync_id, keys)

    def close(self) -> None:
        """Close all connections; no load may be under way."""
        for loader in self._all:
            loader.close()

    @contextmanager
    def _one(self) -> Iterator[Loader]:
        loader = self._idle.get()
        try:
            yield loader
        finally:
            self._idle.put(loader)
