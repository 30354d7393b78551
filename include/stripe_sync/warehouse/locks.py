"""Advisory locks of transactions: work that only one process may do at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
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


# While a lock is held, the connection waits in its transaction, for hours in a backfill; without a
# snapshot, so that it keeps nothing from being vacuumed. A setting of another version is left out.
_WITHOUT_TIMEOUTS = sa.text("""
SELECT set_config(name, '0', true) FROM unnest(ARRAY['statement_timeout', 'lock_timeout',
    'idle_in_transaction_session_timeout', 'transaction_timeout']) AS name
WHERE current_setting(name, true) IS NOT NULL
""")


class Locks:
    """Takes locks for the current process.

    A lock belongs to a transaction, since a pooler gives a session to others after each one. The
    transaction has a connection of its own, so the lock ends with the process.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def backfill(self, sync_id: UUID, collection_id: str) -> Iterator[None]:
        """Lock one collection of a sync for a backfill, without waiting.

        Raises:
            SyncBusy: Another process holds it.
            WarehouseError: The warehouse cannot be reached.
        """
        key = lock_key("backfill", sync_id, collection_id)
        with self._transaction() as connection:
            with explain(self.engine.url):
                locked = connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(key)))
            if not locked:
                msg = (
                    f"another process is backfilling {collection_id} of this sync; "
                    "wait until it ends, or stop it and run again"
                )
                raise SyncBusy(msg)
            yield

    @contextmanager
    def backfills(self, sync_id: UUID, collection_ids: Iterable[str]) -> Iterator[None]:
        """Lock collections of a sync against backfills and reconciles, without waiting.

        Raises:
            SyncBusy: Another process reads one of them.
            WarehouseError: The warehouse cannot be reached.
        """
        with self._transaction() as connection:
            for collection_id in collection_ids:
                key = lock_key("backfill", sync_id, collection_id)
                with explain(self.engine.url):
                    locked = connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(key)))
                if not locked:
                    msg = (
                        f"another process is backfilling or reconciling {collection_id} of this "
                        "sync: wait until it ends, or stop it and run again"
                    )
                    raise SyncBusy(msg)
            yield

    @contextmanager
    def lake(self, sync_id: UUID) -> Iterator[sa.Connection]:
        """Lock a sync's stream for writing it to the lake; waits for the current holder.

        Yields:
            The connection that holds the lock. What is written over it is committed when the block
            is left without an exception, and the lock ends with the commit.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        with self._wait_for("lake", sync_id) as connection:
            yield connection
            with explain(self.engine.url):
                connection.commit()

    @contextmanager
    def missing(self, sync_id: UUID) -> Iterator[None]:
        """Lock a sync's search for missing objects; waits for the current one.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        with self._wait_for("missing", sync_id):
            yield

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
        with self._transaction() as connection:
            with explain(self.engine.url):
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key(*parts))))
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """A connection in a transaction without timeouts, rolled back after the block."""
        with explain(self.engine.url):
            connection = self.engine.connect()
        try:
            with explain(self.engine.url):
                connection.execute(_WITHOUT_TIMEOUTS)
            yield connection
        finally:
            try:
                connection.rollback()
            except sa.exc.DBAPIError:  # the connection was lost, and the lock with it
                connection.invalidate()
            connection.close()
