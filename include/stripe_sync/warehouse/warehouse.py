"""The warehouse: one engine, and one small store for each concern."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from stripe_sync.warehouse.connect import create_engine
from stripe_sync.warehouse.consumers.consumers import Consumers
from stripe_sync.warehouse.consumers.cursors import ConsumerCursors
from stripe_sync.warehouse.erasing.erasures import Erasures
from stripe_sync.warehouse.locks import Locks
from stripe_sync.warehouse.mutations.approvals import Approvals
from stripe_sync.warehouse.mutations.intents import Intents
from stripe_sync.warehouse.oauth_authorizations import OAuthAuthorizations
from stripe_sync.warehouse.reading.activity import Activity
from stripe_sync.warehouse.reading.record_queries import RecordQueries
from stripe_sync.warehouse.reading.streams import Streams
from stripe_sync.warehouse.reading.sync_statuses import SyncStatuses
from stripe_sync.warehouse.schema.migrate import upgrade
from stripe_sync.warehouse.state.collections import Collections
from stripe_sync.warehouse.state.lake_position import LakePosition
from stripe_sync.warehouse.state.missing_objects import MissingObjects
from stripe_sync.warehouse.state.polls import Polls
from stripe_sync.warehouse.state.problems import Problems
from stripe_sync.warehouse.state.reconciles import Reconciles
from stripe_sync.warehouse.state.retention import Retention
from stripe_sync.warehouse.state.retention_gaps import Gaps
from stripe_sync.warehouse.state.set_aside import SetAsides
from stripe_sync.warehouse.state.syncs import Syncs
from stripe_sync.warehouse.state.transaction_count import TransactionCount
from stripe_sync.warehouse.typed_tables.fill import TypedTables
from stripe_sync.warehouse.writing.batch_writer import BatchWriter
from stripe_sync.warehouse.writing.sync_removal import SyncRemoval


class Warehouse:
    """One warehouse: its tables, the state of its syncs, its streams.

    Connects on the first call. Methods may be called from several threads.

    Args:
        url: ``postgresql://user:password@host:port/database``, or ``?host=/socket/folder``.
        kept_open: Number of unused connections that stay open.

    Attributes:
        syncs: One Stripe account and mode each.
        collections: Backfill state of each collection.
        polls: Poll state: cutoff, cursor, lease, processed Stripe events, pending fetches.
        problems: Why syncs are not up to date.
        gaps: Periods whose Stripe events are missing.
        reconciles: Results of reconciles.
        set_aside: Objects and Stripe events that cannot be stored as records.
        missing: Objects that stored objects name and that no list returned.
        transactions: Charges that Stripe's read allotment depends on.
        records: Stored records by key, by parent, or page by page.
        streams: Records and change events in the order of ``seq``.
        lake_position: Stream position that the lake has reached.
        retention: Deletes expired change events.
        removal: Removes syncs.
        erasures: Erases objects and remembers them.
        sync_statuses: What the warehouse knows about a sync's state.
        activity: What syncs do, in figures, and over time.
        oauth_authorizations: Authorizations of Stripe Connect.
        mutations: Stored requests that change Stripe.
        approvals: Who approved them.
        consumers: Named readers of the streams.
        consumer_cursors: How far consumers have read the streams.
        typed_tables: Tables whose columns are the fields of objects.
        locks: Advisory locks.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
    """

    def __init__(self, url: str, *, kept_open: int = 2) -> None:
        self._url = url
        self.engine = engine = create_engine(url, kept_open=kept_open)
        self.syncs = Syncs(engine)
        self.collections = Collections(engine, self.syncs)
        self.polls = Polls(engine)
        self.problems = Problems(engine)
        self.gaps = Gaps(engine)
        self.reconciles = Reconciles(engine)
        self.set_aside = SetAsides(engine)
        self.missing = MissingObjects(engine)
        self.transactions = TransactionCount(engine)
        self.records = RecordQueries(engine)
        self.streams = Streams(engine)
        self.lake_position = LakePosition(engine)
        self.retention = Retention(engine)
        self.removal = SyncRemoval(engine)
        self.erasures = Erasures(engine)
        self.sync_statuses = SyncStatuses(engine)
        self.activity = Activity(engine)
        self.oauth_authorizations = OAuthAuthorizations(engine)
        self.mutations = Intents(engine)
        self.approvals = Approvals(engine)
        self.consumers = Consumers(engine)
        self.consumer_cursors = ConsumerCursors(engine)
        self.typed_tables = TypedTables(engine)
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
        """Create or upgrade schemas, tables and SQL functions; one query when they are current.

        Any number of processes may call it at once: one upgrades, the others wait for it.

        Raises:
            WarehouseError: The warehouse cannot be reached, its role may not create the schemas,
                or its tables were made by a newer version of this code.
        """
        upgrade(self.engine)

    def writer(self, *, connections: int = 1) -> BatchWriter:
        """A batch writer with connections of its own; close it when done."""
        return BatchWriter(self._url, connections=connections)

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()


@contextmanager
def open_warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """A warehouse whose tables are up to date."""
    with Warehouse(warehouse_url) as warehouse:
        warehouse.upgrade()
        yield warehouse
