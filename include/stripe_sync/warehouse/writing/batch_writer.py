"""Writes batches: one transaction each, all of it or nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg
import sqlalchemy as sa
from psycopg import errors as pg_errors
from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from stripe_sync.errors import ConcurrentUpdate, SyncBusy, WarehouseError
from stripe_sync.libpq import keeps_session
from stripe_sync.records import Batch, EventRow, LoadResult, RecordRow
from stripe_sync.records.changes.diff import Changes, decide, needing_payload
from stripe_sync.warehouse.connect import cause_of, create_engine, explain
from stripe_sync.warehouse.erasing.erased_objects import without_erased
from stripe_sync.warehouse.locks import lock_key
from stripe_sync.warehouse.mutations.own_changes import (
    find_own_changes,
    finish_mutation,
    mark_echoes,
    note_reported,
    save_own_changes,
)
from stripe_sync.warehouse.state.set_aside import save_set_aside
from stripe_sync.warehouse.writing import lookup
from stripe_sync.warehouse.writing.checkpoints import save_backfill, save_poll
from stripe_sync.warehouse.writing.processed_events import find_processed, save_processed
from stripe_sync.warehouse.writing.staging import (
    COPY_STAGE,
    CREATE_STAGE,
    KEEP_STAGE,
    copy_blocks,
    emitted_events,
)
from stripe_sync.warehouse.writing.stream_seq import MERGE, MERGE_NEW

logger = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[Any, ...]]
OnRows = Callable[[list[RecordRow], list[EventRow]], None]

_ATTEMPTS = 5
_MAX_WAIT_SECONDS = 2.0
# How long to ask whether a transaction was committed whose COMMIT got no answer.
_COMMIT_STATUS_SECONDS = 30.0

# The time comes with the locks: the clock of the server is the one clock of all writers.
_LOCK = """
SELECT pg_advisory_xact_lock(key), clock_timestamp() FROM unnest(%s::bigint[]) AS key
"""


class _TransactionLost(Exception):
    """The transaction was rolled back; trying again is safe."""


class _CommitUnanswered(Exception):
    """The connection broke during COMMIT.

    Args:
        result: Counts of the transaction.
        transaction_id: Id of the transaction; None when it wrote no change events.
    """

    def __init__(self, result: LoadResult, transaction_id: str | None) -> None:
        super().__init__()
        self.result = result
        self.transaction_id = transaction_id


class BatchWriter:
    """Writes batches over a pool of connections; may be shared by threads.

    Transactions that write the same collection of a sync run one after the other, so that the
    stored state that a batch was compared with cannot change before the commit. All others only
    wait for each other at the very end, where stream positions are given out.

    Args:
        url: The warehouse.
        connections: Size of the pool; a thread that finds no free connection waits for one.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
    """

    def __init__(self, url: str, *, connections: int = 1) -> None:
        # SQLAlchemy's pool connects in the calling thread, so that a refused connection is an
        # immediate error with its cause (psycopg_pool connects in workers and only times out).
        self._engine = create_engine(url, connections=connections, kept_open=connections)
        sa.event.listen(self._engine, "connect", _prepare)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are not in use; the next load opens new ones."""
        self._engine.dispose()

    def load(self, batch: Batch, on_rows: OnRows | None = None) -> LoadResult:
        """Write a batch: events, records, processed Stripe events, checkpoints in one transaction.

        Loading the same batch again changes nothing.

        Args:
            batch: The observations.
            on_rows: Called with the new records and events before the commit, in a thread of its
                own, while the batch's collections are locked; an exception from it rolls the batch
                back. Called again when the transaction is retried.

        Raises:
            SyncBusy: Another poller holds the lease that the batch was polled under.
            ConcurrentUpdate: A stored record differs from the one that the batch was made from, or
                is to be fetched again (``Batch.refetch``).
            WarehouseError: The warehouse cannot be reached or refuses the batch, or the sync does
                not exist.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(_TransactionLost),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.05, max=_MAX_WAIT_SECONDS),
            before_sleep=before_sleep_log(logger, logging.INFO),
            reraise=True,
        )
        try:
            return retrying(self._attempt, batch, on_rows)
        except _TransactionLost as lost:
            msg = f"the warehouse rolled a load back {_ATTEMPTS} times: {lost}; run again later"
            raise WarehouseError(msg) from lost.__cause__

    def _attempt(self, batch: Batch, on_rows: OnRows | None) -> LoadResult:
        try:
            with self._connection() as connection:
                return self._transaction(connection, batch, on_rows)
        except _CommitUnanswered as unanswered:
            # A retry would be safe for the warehouse. But it would report no changes, to the caller
            # and to the lake, although this transaction may have made them.
            if unanswered.transaction_id and self._was_committed(unanswered.transaction_id):
                return unanswered.result
            cause = unanswered.__cause__ or unanswered
            raise _TransactionLost(cause_of(cause)) from cause

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection of the pool; closed for good after any error but ``ConcurrentUpdate``."""
        with explain(self._engine.url):
            pooled = self._engine.raw_connection()
        connection = pooled.driver_connection
        assert isinstance(connection, psycopg.Connection)  # noqa: S101 - the engine's driver
        try:
            yield connection
        except ConcurrentUpdate:
            raise
        except BaseException:
            pooled.invalidate()
            raise
        finally:
            pooled.close()

    def _transaction(
        self, connection: Connection, batch: Batch, on_rows: OnRows | None
    ) -> LoadResult:
        try:
            result, transaction_id = self._write(connection, batch, on_rows)
        except (pg_errors.DeadlockDetected, pg_errors.SerializationFailure) as error:
            raise _TransactionLost(cause_of(error)) from error
        except psycopg.Error as error:
            if connection.broken:
                raise _TransactionLost(cause_of(error)) from error
            msg = f"the warehouse refused a load: {cause_of(error)}"
            raise WarehouseError(msg) from error
        try:
            connection.commit()
        except psycopg.Error as error:
            raise _CommitUnanswered(result, transaction_id) from error
        return result

    def _write(
        self, connection: Connection, batch: Batch, on_rows: OnRows | None
    ) -> tuple[LoadResult, str | None]:
        """Everything but the commit; returns the counts and the id of the transaction."""
        with connection.cursor() as cursor:
            now = _lock_collections(cursor, batch)
            kept = without_erased(cursor, batch)
            changes = _compare(cursor, kept, now)
            emitted = emitted_events(changes, created_events=batch.created_events)
            result = changes.result
            with _run_concurrently(on_rows, changes.records, emitted):
                if changes.events:
                    if not keeps_session(connection):
                        cursor.execute(CREATE_STAGE)
                    with cursor.copy(COPY_STAGE) as copy:
                        for block in copy_blocks(changes, emitted):
                            copy.write(block)
            # A Stripe event about an erased object is processed, too.
            save_processed(cursor, batch)
            note_reported(cursor, batch)
            mark_echoes(cursor, batch.sync_id, changes.echoes)
            save_set_aside(cursor, kept)
            _save_checkpoints(cursor, kept, result.events, now)
            transaction_id = None
            if changes.events:
                result.last_seq, transaction_id = _merge(cursor, batch, changes)
                save_own_changes(cursor, batch, result.last_seq, result.events)
            result.record_seq = finish_mutation(cursor, batch)
        return result, transaction_id

    def _was_committed(self, transaction_id: str) -> bool:
        retrying = Retrying(
            retry=retry_if_result(lambda status: status == "in progress"),
            stop=stop_after_delay(_COMMIT_STATUS_SECONDS),
            wait=wait_random_exponential(multiplier=0.05, max=_MAX_WAIT_SECONDS),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        with explain(self._engine.url), self._connection() as connection:
            status = retrying(_transaction_status, connection, transaction_id)
        if status not in ("committed", "aborted"):
            msg = "the warehouse cannot say whether it committed the last load; run again later"
            raise WarehouseError(msg)
        return bool(status == "committed")


def _prepare(connection: Connection, _record: object) -> None:
    # Each statement must see what was committed while it waited for a lock.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    if keeps_session(connection):
        connection.execute(KEEP_STAGE)
        connection.commit()


@contextmanager
def _run_concurrently(
    on_rows: OnRows | None, records: list[RecordRow], events: list[EventRow]
) -> Iterator[None]:
    """Call ``on_rows`` while the block runs; both have ended when the block is left."""
    if on_rows is None:
        yield
        return
    with ThreadPoolExecutor(1) as executor:
        call = executor.submit(on_rows, records, events)
        yield
        call.result()


def _lock_collections(cursor: lookup.Cursor, batch: Batch) -> datetime:
    """Lock the collections of a batch; returns the server's time after that."""
    collections = {observation.collection_id for observation in batch.observations}
    if batch.checkpoint is not None:
        collections.add(batch.checkpoint.collection_id)
    # All transactions lock in the same order, so they cannot deadlock.
    keys = sorted(lock_key("load", batch.sync_id, collection) for collection in collections)
    cursor.execute(_LOCK, (keys,))
    times: list[datetime] = [row[1] for row in cursor]
    if not times:
        cursor.execute("SELECT clock_timestamp()")
        times = [row[0] for row in cursor]
    return times[-1]


def _compare(cursor: lookup.Cursor, batch: Batch, now: datetime) -> Changes:
    keys = dict.fromkeys((o.collection_id, o.upstream_id) for o in batch.observations)
    keys |= dict.fromkeys(batch.expected_hashes)
    stripe_events = [o.stripe_event for o in batch.observations if o.stripe_event]
    stored = lookup.find_records(cursor, batch.sync_id, keys)
    lookup.check_expected(batch, stored)
    processed = find_processed(cursor, batch.sync_id, stripe_events)
    needed = needing_payload(batch, stored, processed)
    stored = lookup.with_payloads(cursor, batch.sync_id, stored, needed)
    reported = dict.fromkeys(
        (o.collection_id, o.upstream_id)
        for o in batch.observations
        if o.stripe_event and o.stripe_event.previous_attributes
    )
    last_changes = lookup.find_last_changes(
        cursor, batch.sync_id, [key for key in reported if key in stored]
    )
    own_changes = find_own_changes(cursor, batch)
    changes = decide(batch, stored, processed, now, last_changes, own_changes=own_changes)
    if batch.refetch and changes.doubtful:
        msg = f"{len(changes.doubtful)} records were stored while a batch was read"
        raise ConcurrentUpdate(msg, changes.doubtful)
    return changes


def _save_checkpoints(cursor: lookup.Cursor, batch: Batch, changes: int, now: datetime) -> None:
    if batch.checkpoint is not None:
        save_backfill(cursor, batch.sync_id, batch.checkpoint, now)
    poll = batch.poll
    if poll is not None and not save_poll(cursor, batch.sync_id, poll, changes, now):
        msg = "another process polls this sync now; this one has to stop"
        raise SyncBusy(msg) if poll.owner else _unknown_sync(batch.sync_id)


def _merge(cursor: lookup.Cursor, batch: Batch, changes: Changes) -> tuple[int, str]:
    """Write the staged rows; returns the last stream position and the id of the transaction."""
    all_new = all(record.updated_idx == 1 for record in changes.records)
    cursor.execute(
        MERGE_NEW if all_new else MERGE,
        {
            "sync_id": batch.sync_id,
            "resource_id": batch.resource_id,
            "source": batch.source,
            "count": changes.result.events,
        },
    )
    row = cursor.fetchone()
    if row is None:
        raise _unknown_sync(batch.sync_id)
    return row[0], row[1]


def _transaction_status(connection: Connection, transaction_id: str) -> str | None:
    row = connection.execute("SELECT pg_xact_status(%s::xid8)", (transaction_id,)).fetchone()
    connection.commit()
    return row[0] if row else None


def _unknown_sync(sync_id: UUID) -> WarehouseError:
    return WarehouseError(f"the warehouse has no sync {sync_id}")
