"""Advisory locks: work that only one process may do at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.errors import SyncBusy
from stripe_sync.warehouse.connect import explain


def lock_key(*parts: object) -> int:
    """A signed 64-bit key for PostgreSQL's advisory locks, equal in every process."""
    text = "\x1f".join(["stripe_sync", *map(str, parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


class Locks:
    """Takes locks for the current process."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def backfill(self, sync_id: UUID, collection_id: str) -> Iterator[None]:
        """Lock one collection of a sync for a backfill, without waiting.

        The lock belongs to a connection of its own, so it ends with the process.

        Raises:
            SyncBusy: Another process holds it.
            WarehouseError: The warehouse cannot be reached.
        """
        key = lock_key("backfill", sync_id, collection_id)
        with self._connection() as connection:
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
                msg = (
                    f"another process is backfilling {collection_id} of this sync; "
                    "wait until it ends, or stop it and run again"
                )
                raise SyncBusy(msg)
            yield

    @contextmanager
    def lake(self, sync_id: UUID) -> Iterator[sa.Connection]:
        """Lock a sync's stream for writing it to the lake; waits for the current holder.

        Yields:
            The connection that holds the lock.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        with self._wait_for("lake", sync_id) as connection:
            yield connection

    @contextmanager
    def load(self, sync_id: UUID, collection_id: str) -> Iterator[None]:
        """Lock a collection against loads; waits for the current one.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        with self._wait_for("load", sync_id, collection_id):
            yield

    @contextmanager
    def _wait_for(self, *parts: object) -> Iterator[sa.Connection]:
        with self._connection() as connection:
            with explain(self.engine.url):
                connection.execute(sa.select(sa.func.pg_advisory_lock(lock_key(*parts))))
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        """A connection that is closed, and its locks released, after the block."""
        with explain(self.engine.url):
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            yield connection
        finally:
            # Closing it for good releases the lock, whatever the state of the connection.
            connection.invalidate()
            connection.close()
