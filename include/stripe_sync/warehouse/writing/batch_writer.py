"""Loading: one batch, one transaction, all of it or nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg
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

from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import ConcurrentUpdate, SyncBusy, WarehouseError
from stripe_sync.records import Batch, EventRow, LoadResult, RecordRow
from stripe_sync.records.diff import Changes, RecordKey, decide, needing_payload
from stripe_sync.warehouse.connect import cause_of, explain, open_connection, parse_url
from stripe_sync.warehouse.locks import lock_key
from stripe_sync.warehouse.writing import lookup
from stripe_sync.warehouse.writing.checkpoints import save_backfill, save_poll
from stripe_sync.warehouse.writing.staging import (
    COPY_STAGE,
    CREATE_STAGE,
    MERGE,
    MERGE_NEW,
    copy_blocks,
    emitted_events,
)

logger = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[Any, ...]]
BeforeCommit = Callable[[list[RecordRow], list[EventRow]], None]

_ATTEMPTS = 5
_MAX_WAIT_SECONDS = 2.0
# How long to ask for the fate of a transaction whose COMMIT got no answer.
_FATE_SECONDS = 30.0

_LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"


class _TransactionLost(Exception):
    """The warehouse gave the transaction up; trying again is safe."""


class BatchWriter:
    """Loads batches over one connection of its own; not for several threads at once.

    Any number of loaders may run side by side. Those that write the same collection of a sync
    take turns, so that what one compares with cannot change under it; all others only meet at the
    very end, where positions in the sync's stream are given out.

    Args:
        url: The warehouse.
        clock: Gives ``created_at`` and ``updated_at``.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._url = url
        self._clock = clock or SystemClock()
        self._connection: Connection | None = None

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
        """Close the connection; the next load opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def load(self, batch: Batch, before_commit: BeforeCommit | None = None) -> LoadResult:
        """Apply a batch: events, records, Stripe events seen and checkpoints in one transaction.

        Loading the same batch again changes nothing.

        Args:
            batch: What was observed.
            before_commit: Called with the new records and events, with the batch's collections
                locked, in a thread of its own; what it raises undoes the batch. It may be called
                more than once when the warehouse gives a transaction up.

        Raises:
            SyncBusy: Another poller has taken over the lease that the batch polls under.
            ConcurrentUpdate: Something else is stored by now than what the batch builds on.
            WarehouseError: The warehouse cannot be reached or refuses the batch, or it does not
                know the sync.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(_TransactionLost),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.05, max=_MAX_WAIT_SECONDS),
            before_sleep=before_sleep_log(logger, logging.INFO),
            reraise=True,
        )
        try:
            return retrying(self._attempt, batch, before_commit)
        except _TransactionLost as lost:
            msg = f"the warehouse gave up a load {_ATTEMPTS} times: {lost}; run again later"
            raise WarehouseError(msg) from lost.__cause__

    def stored(self, sync_id: UUID, keys: Collection[RecordKey]) -> dict[RecordKey, RecordRow]:
        """Those of these records that exist, as they are at this moment.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        with explain(parse_url(self._url)):
            connection = self._open()
            try:
                with connection.cursor() as cursor:
                    found = lookup.stored_records(cursor, sync_id, keys)
                    found = lookup.with_payloads(cursor, sync_id, found, list(found))
                connection.rollback()
            except BaseException:
                self.close()
                raise
        return found

    def _attempt(self, batch: Batch, before_commit: BeforeCommit | None) -> LoadResult:
        connection = self._open()
        try:
            return self._apply(connection, batch, before_commit)
        except (pg_errors.DeadlockDetected, pg_errors.SerializationFailure) as error:
            self.close()
            raise _TransactionLost(cause_of(error)) from error
        except psycopg.Error as error:
            lost = connection.broken
            self.close()
            if lost:
                raise _TransactionLost(cause_of(error)) from error
            msg = f"the warehouse refused a load: {cause_of(error)}"
            raise WarehouseError(msg) from error
        except ConcurrentUpdate:
            connection.rollback()
            raise
        except BaseException:
            self.close()
            raise

    def _apply(
        self, connection: Connection, batch: Batch, before_commit: BeforeCommit | None
    ) -> LoadResult:
        with connection.cursor() as cursor:
            _lock_collections(cursor, batch)
            changes = self._compare(cursor, batch)
            told = emitted_events(changes, created_events=batch.created_events)
            result = changes.result
            with _meanwhile(before_commit, changes.records, told):
                if changes.events:
                    with cursor.copy(COPY_STAGE) as copy:
                        for block in copy_blocks(changes, told):
                            copy.write(block)
            self._save_checkpoints(cursor, batch, result.events)
            transaction = None
            if changes.events:
                result.last_seq, transaction = _merge(cursor, batch, changes)
        self._commit(connection, transaction)
        return result

    def _compare(self, cursor: lookup.Cursor, batch: Batch) -> Changes:
        keys = dict.fromkeys((o.collection_id, o.upstream_id) for o in batch.observations)
        told = [o.stripe_event for o in batch.observations if o.stripe_event]
        keys |= dict.fromkeys(batch.expected_hashes)
        stored = lookup.stored_records(cursor, batch.sync_id, keys)
        lookup.check_expected(batch, stored)
        applied = lookup.applied_stripe_events(cursor, batch.sync_id, told)
        needed = needing_payload(batch, stored, applied)
        stored = lookup.with_payloads(cursor, batch.sync_id, stored, needed)
        return decide(batch, stored, applied, self._clock.now())

    def _save_checkpoints(self, cursor: lookup.Cursor, batch: Batch, changes: int) -> None:
        now = self._clock.now()
        if batch.checkpoint is not None:
            save_backfill(cursor, batch.sync_id, batch.checkpoint, now)
        poll = batch.poll
        if poll is not None and not save_poll(cursor, batch.sync_id, poll, changes, now):
            msg = "another process polls this sync now; this one has to stop"
            raise SyncBusy(msg) if poll.owner else _unknown_sync(batch)

    def _commit(self, connection: Connection, transaction: str | None) -> None:
        try:
            connection.commit()
        except psycopg.OperationalError as error:
            self.close()
            # The answer to COMMIT got lost. Trying again would be safe for the warehouse, but its
            # result, and what the lake is told, would then be that nothing changed.
            if transaction is None or not self._was_committed(transaction):
                raise _TransactionLost(cause_of(error)) from error

    def _was_committed(self, transaction: str) -> bool:
        retrying = Retrying(
            retry=retry_if_result(lambda status: status == "in progress"),
            stop=stop_after_delay(_FATE_SECONDS),
            wait=wait_random_exponential(multiplier=0.05, max=_MAX_WAIT_SECONDS),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        with explain(parse_url(self._url)):
            status = retrying(_transaction_status, self._open(), transaction)
        if status not in ("committed", "aborted"):
            msg = "the warehouse does not tell whether it committed the last load; run again later"
            raise WarehouseError(msg)
        return bool(status == "committed")

    def _open(self) -> Connection:
        if self._connection is None:
            connection = open_connection(self._url)
            # What was read before a lock was granted must not decide what is written after it.
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            connection.execute(CREATE_STAGE)
            connection.commit()
            self._connection = connection
        return self._connection


@contextmanager
def _meanwhile(
    before_commit: BeforeCommit | None, records: list[RecordRow], events: list[EventRow]
) -> Iterator[None]:
    """Call ``before_commit`` beside the block; both have ended when the block is left."""
    if before_commit is None:
        yield
        return
    with ThreadPoolExecutor(1) as beside:
        call = beside.submit(before_commit, records, events)
        yield
        call.result()


def _lock_collections(cursor: lookup.Cursor, batch: Batch) -> None:
    collections = {observation.collection_id for observation in batch.observations}
    if batch.checkpoint is not None:
        collections.add(batch.checkpoint.collection_id)
    # Everybody locks in the same order, so nobody waits in a circle.
    keys = sorted(lock_key("load", batch.sync_id, collection) for collection in collections)
    cursor.execute(_LOCK, (keys,))


def _merge(cursor: lookup.Cursor, batch: Batch, changes: Changes) -> tuple[int, str]:
    new = all(record.updated_idx == 1 for record in changes.records)
    cursor.execute(
        MERGE_NEW if new else MERGE,
        {
            "sync_id": batch.sync_id,
            "resource_id": batch.resource_id,
            "source": batch.source,
            "count": changes.result.events,
            **_fingerprints(batch),
        },
    )
    row = cursor.fetchone()
    if row is None:
        raise _unknown_sync(batch)
    return row[0], row[1]


def _fingerprints(batch: Batch) -> dict[str, list[Any]]:
    told = [o.stripe_event for o in batch.observations if o.stripe_event]
    known = {event.id: event.fingerprint for event in told if event.fingerprint}
    return {"told": list(known), "fingerprints": list(known.values())}


def _transaction_status(connection: Connection, transaction: str) -> str | None:
    row = connection.execute("SELECT pg_xact_status(%s::xid8)", (transaction,)).fetchone()
    connection.commit()
    return row[0] if row else None


def _unknown_sync(batch: Batch) -> WarehouseError:
    return WarehouseError(f"the warehouse does not know the sync {batch.sync_id}")
