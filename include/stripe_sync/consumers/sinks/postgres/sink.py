"""Delivers to PostgreSQL: rows and cursor commit in one transaction of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Self
from uuid import UUID, uuid4

import psycopg
from psycopg.sql import SQL
from psycopg.types.json import Jsonb

from stripe_sync import libpq
from stripe_sync.consumers.sink import (
    Checkpoint,
    DeliveryBatch,
    ItemFailure,
    Outcome,
    SinkContext,
    SinkSettings,
    TargetError,
)
from stripe_sync.consumers.sinks.postgres.batch_ids import mark_of, new_batch_id
from stripe_sync.consumers.sinks.postgres.connection import (
    RowRefused,
    connect,
    connect_arguments,
    explain,
    transaction,
)
from stripe_sync.consumers.sinks.postgres.preparation import prepare
from stripe_sync.consumers.sinks.postgres.rows import UnfitValue, array_of, row_of
from stripe_sync.consumers.sinks.postgres.settings import PostgresSettings
from stripe_sync.consumers.sinks.postgres.table import Target, target_of
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import ItemKey

_MOST_REFUSED = 100
"""Items of a batch that may all become dead letters; above that, the table is taken to be wrong."""

_LAST_BATCH = "last_batch"

_READ = "SELECT last_batch, positions FROM {} WHERE consumer = %s AND table_name = %s FOR UPDATE"
_TAKE = """
INSERT INTO {} AS stored (consumer, table_name, positions, last_batch, epoch, updated_at)
VALUES (%s, %s, %s, %s, %s, now())
ON CONFLICT (consumer, table_name) DO UPDATE
SET positions = excluded.positions, epoch = excluded.epoch, updated_at = now()
WHERE stored.epoch <= excluded.epoch RETURNING last_batch
"""
_MOVE = """
UPDATE {} SET positions = %s, last_batch = %s, updated_at = now()
WHERE consumer = %s AND table_name = %s AND epoch = %s AND last_batch = %s
"""

_Row = tuple[ItemKey, bytes]
_Failed = dict[ItemKey, ItemFailure]


class PostgresSink:
    """Writes the rows of one consumer.

    The target has a row with the consumer's positions, with the process that may write (``epoch``)
    and with the batch that was committed last (``last_batch``). Our own checkpoint names the batch
    that it was in step with. Where the two differ when the sink is opened, this process was killed
    between the two commits, or one of the databases was restored, and the target's positions count:
    they are those of its rows. A new consumer and one that is replayed have no batch in their
    checkpoint, and its own positions count.
    """

    Settings: ClassVar[type[SinkSettings]] = PostgresSettings
    needs_connection: ClassVar[bool] = True
    keeps_cursor: ClassVar[bool] = True
    longest_wait: ClassVar[timedelta] = timedelta(minutes=1)
    gives_up_after: ClassVar[timedelta | None] = None

    def __init__(self, target: Target, arguments: Mapping[str, Any], context: SinkContext) -> None:
        self._target = target
        self._arguments = arguments
        self._context = context
        self._place = libpq.describe(arguments)
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._last_batch: UUID | None = None
        self._insert = target.insert()
        self._read, self._take, self._move = (
            SQL(query).format(target.cursors.identifier) for query in (_READ, _TAKE, _MOVE)
        )

    @classmethod
    def of(cls, settings: SinkSettings, context: SinkContext) -> Self:
        """See ``Sink``."""
        assert isinstance(settings, PostgresSettings)  # noqa: S101 - by the registry
        target = target_of(settings, context.selection.stream)
        return cls(target, connect_arguments(context.connection), context)

    async def open(self, checkpoint: Checkpoint) -> Checkpoint:
        """See ``Sink``."""
        await self.close()
        connection = self._connection = await connect(self._arguments)
        try:
            async with transaction(connection, self._arguments):
                is_new = await prepare(connection, self._target, self._place)
                cursor, mark = await self._start(connection, checkpoint, is_new=is_new)
        except RowRefused as error:
            message = f"PostgreSQL at {self._place} refused the cursor: {error}"
            raise TargetError(message) from None
        return Checkpoint(cursor, checkpoint.position, mark)

    async def deliver(self, batch: DeliveryBatch) -> Outcome:
        """See ``Sink``."""
        rows, failed = self._rows(batch)
        connection = self._connection
        if connection is None or self._last_batch is None:
            message = f"the connection to PostgreSQL at {self._place} was lost"
            raise TargetError(message)
        try:
            batch_id, refused = await self._in_one_transaction(connection, batch, rows, failed)
        except BaseException:
            # Whether it was committed is found out by ``open``.
            await self.close()
            raise
        self._last_batch = batch_id
        return Outcome(failed=failed | refused)

    def position(self) -> JsonObject | None:
        """See ``Sink``."""
        return None if self._last_batch is None else {_LAST_BATCH: str(self._last_batch)}

    async def close(self) -> None:
        """See ``Sink``."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _start(
        self, connection: psycopg.AsyncConnection[Any], checkpoint: Checkpoint, *, is_new: bool
    ) -> tuple[StreamCursor, int | None]:
        """Keep older processes out from now on; returns where to go on, and the mark there."""
        name = (self._context.consumer, self._target.rows.name)
        stored = await (await connection.execute(self._read, name)).fetchone()
        cursor, mark = checkpoint.cursor, None
        if checkpoint.position is not None:
            if stored is None or is_new:
                message = (
                    f"{self._target.rows.schema}.{self._target.rows.name} of PostgreSQL at"
                    f" {self._place} lacks what consumer {name[0]} was delivered before: it was"
                    " dropped, or the target is another one or was restored to a time before."
                    " Start a replay of the consumer, from 'all' for everything"
                )
                raise TargetError(message)
            if str(stored[0]) != checkpoint.position[_LAST_BATCH]:
                cursor = StreamCursor({UUID(sync): seq for sync, seq in stored[1].items()})
                mark = mark_of(stored[0])
        values = (*name, _positions(cursor), uuid4(), self._context.epoch)
        taken = await (await connection.execute(self._take, values)).fetchone()
        if taken is None:
            raise self._superseded()
        self._last_batch = taken[0]
        return cursor, mark

    async def _in_one_transaction(
        self,
        connection: psycopg.AsyncConnection[Any],
        batch: DeliveryBatch,
        rows: Sequence[_Row],
        failed: _Failed,
    ) -> tuple[UUID, _Failed]:
        """Write a batch; returns its id, and the rows that the target refuses."""
        try:
            async with transaction(connection, self._arguments):
                await self._write(connection, rows)
                return await self._commit(connection, batch, failed), {}
        except RowRefused as error:
            reason = str(error)
        try:
            async with transaction(connection, self._arguments):
                # A column that somebody has added must not make dead letters of all rows, nor a
                # deferred constraint fail at the commit.
                await prepare(connection, self._target, self._place)
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                refused = await self._write_each(connection, rows)
                return await self._commit(connection, batch, failed | refused), refused
        except RowRefused:
            message = f"PostgreSQL at {self._place} takes no batch: {reason}"
            raise TargetError(message) from None

    def _rows(self, batch: DeliveryBatch) -> tuple[list[_Row], _Failed]:
        rows: list[_Row] = []
        failed: _Failed = {}
        for item in batch.items:
            try:
                rows.append((item.key, row_of(self._target, item)))
            except UnfitValue as error:
                failed[item.key] = ItemFailure(str(error), is_final=True)
        return rows, failed

    async def _write(self, connection: psycopg.AsyncConnection[Any], rows: Sequence[_Row]) -> None:
        """Write rows in one statement, which needs no temporary table and no right to have one."""
        if rows:
            await connection.execute(self._insert, [array_of([row for _, row in rows])])

    async def _write_each(
        self, connection: psycopg.AsyncConnection[Any], rows: Sequence[_Row]
    ) -> _Failed:
        """Write the rows that the target takes, halving what it refuses; returns the others."""
        failed: _Failed = {}
        todo = [rows]
        while todo:
            part = todo.pop()
            try:
                with explain(self._place):
                    async with connection.transaction():
                        await self._write(connection, part)
            except RowRefused as error:
                if len(part) == 1:
                    failed[part[0][0]] = ItemFailure(str(error), is_final=True)
                    continue
                middle = len(part) // 2
                todo += (part[middle:], part[:middle])
        if len(failed) == len(rows) > _MOST_REFUSED:
            message = (
                f"PostgreSQL at {self._place} takes none of {len(rows)} items:"
                f" {next(iter(failed.values())).error}"
            )
            raise TargetError(message)
        return failed

    async def _commit(
        self,
        connection: psycopg.AsyncConnection[Any],
        batch: DeliveryBatch,
        failed: _Failed,
    ) -> UUID:
        """Move the cursor in the transaction of the rows.

        Dead letters are stored by the deliverer, after this commit. So that a kill between the two
        loses none, the target's positions pass a batch that has any with the next batch only.
        """
        cursor = batch.start if failed else batch.end
        # Where the positions stay, what marks them stays.
        stays = bool(failed) or batch.mark is None
        batch_id = new_batch_id(mark_of(self._last_batch) if stays else batch.mark)
        moved = await connection.execute(
            self._move,
            (
                _positions(cursor),
                batch_id,
                self._context.consumer,
                self._target.rows.name,
                self._context.epoch,
                self._last_batch,
            ),
        )
        if moved.rowcount != 1:
            raise self._superseded()
        return batch_id

    def _superseded(self) -> TargetError:
        return TargetError(
            f"another process delivers to consumer {self._context.consumer} now, as the cursors of"
            f" PostgreSQL at {self._place} show; this one stops"
        )


def _positions(cursor: StreamCursor) -> Jsonb:
    return Jsonb({str(sync): seq for sync, seq in cursor.positions.items()})
