"""The warehouse as the use cases see it: one engine, one small store for each concern."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from stripe_sync.clock import Clock
from stripe_sync.warehouse.connect import create_engine
from stripe_sync.warehouse.locks import Locks
from stripe_sync.warehouse.reading.record_queries import RecordQueries
from stripe_sync.warehouse.reading.streams import Streams
from stripe_sync.warehouse.restoring.numbering import Numbering
from stripe_sync.warehouse.schema.migrate import upgrade
from stripe_sync.warehouse.state.collections import Collections
from stripe_sync.warehouse.state.gaps import Gaps
from stripe_sync.warehouse.state.polls import Polls
from stripe_sync.warehouse.state.read_allotment import ReadAllotment
from stripe_sync.warehouse.state.reconciles import Reconciles
from stripe_sync.warehouse.state.retention import Retention
from stripe_sync.warehouse.state.syncs import Syncs
from stripe_sync.warehouse.writing.batch_writer import BatchWriter
from stripe_sync.warehouse.writing.writer_pool import BatchWriterPool


class Warehouse:
    """One warehouse: its tables, the state of its syncs, its streams.

    Nothing connects before the first call. Methods may be called from several threads.

    Args:
        url: ``postgresql://user:password@host:port/database``, or ``?host=/socket/folder``.

    Attributes:
        syncs: One Stripe account and mode each.
        collections: Backfill state of each collection.
        polls: Poll state: cutoff, cursor, lease, processed Stripe events.
        gaps: Times whose Stripe events are missing.
        reconciles: Results of reconciles.
        read_allotment: Charges that Stripe's read allotment depends on.
        records: Queries over stored records.
        streams: Records and change events in the order of ``seq``.
        retention: Deletes expired change events.
        numbering: Keeps numbers that the lake uses from being given out again.
        locks: Advisory locks.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.engine = engine = create_engine(url)
        self.syncs = Syncs(engine)
        self.collections = Collections(engine, self.syncs)
        self.polls = Polls(engine)
        self.gaps = Gaps(engine)
        self.reconciles = Reconciles(engine)
        self.read_allotment = ReadAllotment(engine)
        self.records = RecordQueries(engine)
        self.streams = Streams(engine)
        self.retention = Retention(engine)
        self.numbering = Numbering(engine)
        self.locks = Locks(engine)

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

    def writer(self, clock: Clock | None = None) -> BatchWriter:
        """A batch writer with a connection of its own; close it when done."""
        return BatchWriter(self._url, clock)

    def writers(self, count: int, clock: Clock | None = None) -> BatchWriterPool:
        """Batch writers with so many connections of their own; close them when done."""
        return BatchWriterPool(self._url, count, clock)

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()
