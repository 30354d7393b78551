"""The warehouse as the use cases see it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from stripe_sync.clock import Clock
from stripe_sync.warehouse.allocation import AllocationStore
from stripe_sync.warehouse.connect import create_engine
from stripe_sync.warehouse.families import FamilyStore
from stripe_sync.warehouse.gaps import GapStore
from stripe_sync.warehouse.load import Loader
from stripe_sync.warehouse.loaders import Loaders
from stripe_sync.warehouse.locks import LockStore
from stripe_sync.warehouse.migrate import upgrade
from stripe_sync.warehouse.polling import PollStore
from stripe_sync.warehouse.progress import ProgressStore
from stripe_sync.warehouse.read import StreamStore
from stripe_sync.warehouse.rebuilding import RebuildStore
from stripe_sync.warehouse.reconciling import ReconcileStore
from stripe_sync.warehouse.retention import RetentionStore


class Warehouse(
    ProgressStore,
    PollStore,
    GapStore,
    AllocationStore,
    StreamStore,
    FamilyStore,
    ReconcileStore,
    RebuildStore,
    RetentionStore,
    LockStore,
):
    """One warehouse: its tables, the state of its syncs, its streams.

    Nothing connects before the first call. Methods may be called from several threads.

    Args:
        url: ``postgresql://user:password@host:port/database``, or ``?host=/socket/folder``.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.engine = create_engine(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def upgrade(self) -> None:
        """Create or upgrade schemas and tables; does nothing when they are current.

        Any number of processes may call it at once: one works, the others wait for it.

        Raises:
            WarehouseError: The warehouse cannot be reached, its role may not create the schemas,
                or its tables were made by a newer version of this code.
        """
        upgrade(self.engine)

    def loader(self, clock: Clock | None = None) -> Loader:
        """A loader with a connection of its own; close it when done."""
        return Loader(self._url, clock)

    def loaders(self, count: int, clock: Clock | None = None) -> Loaders:
        """Loaders with so many connections of their own; close them when done."""
        return Loaders(self._url, count, clock)

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()
