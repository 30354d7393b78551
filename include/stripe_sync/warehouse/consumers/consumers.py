"""Rows of consumers, their state, and their dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.engine import Connection, Engine

from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema.consumer_tables import (
    consumer_cursors,
    consumer_items,
    consumers,
)
from stripe_sync.warehouse.schema.tables import syncs

_table = consumers
_now = sa.func.clock_timestamp()

# Later than any that a target may remember, also where the consumer was made anew with the same
# name, or the warehouse was restored to a time before.
_MILLISECONDS = sa.cast(sa.extract("epoch", _now) * 1000, sa.BigInteger)
_NEXT_EPOCH = sa.func.greatest(_table.c.epoch + 1, _MILLISECONDS)

_status = sa.table(
    "consumer_status",
    *(
        sa.column(name)
        for name in ("consumer", "status", "lag_items", "lag_seconds", "pending", "dead", "warning")
    ),
    schema="stripe_sync",
)


@dataclass(frozen=True, slots=True)
class ConsumerInfo:
    """A consumer and its state.

    Attributes:
        name: Its name.
        id: Its id.
        kind: ``pull``, ``webhook``, ``postgres`` or ``kafka``.
        stream: ``records`` or ``events``.
        filters: Lists ``sync_id``, ``collection_id`` and ``event_type``.
        deliver_policy: Where it began.
        settings: Settings of its kind.
        connection_id: Airflow connection of its target.
        metadata: The user's own values.
        created_at: When it was created.
        updated_at: When it was last changed.
        pause_reason: Why the delivery paused it; None where a person did, or it is not paused.
        last_error: Why the last try failed; None: it did not.
        failing_since: First failure since the last success.
        retry_at: When it is tried again.
        delivered: Items that were delivered.
        delivered_at: When the last one was.
        status: ``active``, ``paused`` or ``failing``.
        lag_items: Stream positions that it has not passed, and items that it has passed and not
            delivered.
        lag_seconds: Age of the oldest of them.
        pending: Items that it has passed and not delivered.
        dead: Dead letters.
        warning: What a person should do; None: nothing.
    """

    name: str
    id: UUID
    kind: str
    stream: str
    filters: JsonObject
    deliver_policy: str
    settings: JsonObject
    connection_id: str | None
    metadata: JsonObject
    created_at: datetime
    updated_at: datetime
    pause_reason: str | None
    last_error: str | None
    failing_since: datetime | None
    retry_at: datetime | None
    delivered: int
    delivered_at: datetime | None
    status: str
    lag_items: int
    lag_seconds: float
    pending: int
    dead: int
    warning: str | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An item that was given up.

    Attributes:
        sync_id: Its sync.
        seq: Its stream position.
        collection_id: ``stripe:customer``.
        upstream_id: Stripe's id of the object.
        deliveries: How often it was tried.
        error: Why the last try failed.
        created_at: When it was first not delivered.
    """

    sync_id: UUID
    seq: int
    collection_id: str
    upstream_id: str
    deliveries: int
    error: str | None
    created_at: datetime


class Consumers:
    """Reads and writes consumers."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def create(
        self, values: Mapping[str, Any], positions: Mapping[UUID, int], *, paused: bool
    ) -> bool:
        """Store a new consumer and where it begins; returns False where the name is taken."""
        statement = (
            pg.insert(_table)
            .values(
                **values,
                id=uuid4(),
                paused_at=_now if paused else None,
                epoch=_MILLISECONDS,
            )
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(_table.c.name)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            created = connection.execute(statement).first() is not None
            if created:
                _set_cursors(connection, values["name"], positions)
        return created

    def all(self) -> list[ConsumerInfo]:
        """All consumers by name."""
        return self._select()

    def find(self, consumer: str) -> ConsumerInfo | None:
        """A consumer by its name or id."""
        by_id = sa.cast(_table.c.id, sa.Text) == consumer.lower()
        found = self._select(sa.or_(_table.c.name == consumer, by_id))
        return next(iter(found), None)

    def update(self, name: str, values: Mapping[str, Any]) -> None:
        """Change columns; whoever delivers now begins anew with them, at once."""
        statement = (
            sa.update(_table)
            .where(_table.c.name == name)
            .values(**values, updated_at=_now, retry_at=None, epoch=_NEXT_EPOCH)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)
            if "filters" in values:
                # What they leave out now is dropped when it is due.
                _retry_now(connection, name)

    def pause(self, name: str) -> None:
        """Deliver no more."""
        paused_at = sa.func.coalesce(_table.c.paused_at, _now)
        self._run(
            sa.update(_table)
            .where(_table.c.name == name)
            .values(paused_at=paused_at, pause_reason=None)
        )

    def resume(self, name: str) -> None:
        """Deliver again, and at once: whoever delivers now begins anew."""
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(
                sa.update(_table)
                .where(_table.c.name == name)
                .values(
                    paused_at=None,
                    pause_reason=None,
                    last_error=None,
                    failing_since=None,
                    retry_at=None,
                    failures=0,
                    epoch=_NEXT_EPOCH,
                    # Nobody has kept it in the pause, which does not mean that nobody delivers.
                    lease_until=sa.func.greatest(_table.c.lease_until, _now),
                )
            )
            _retry_now(connection, name)

    def delete(self, name: str) -> None:
        """Forget a consumer, its cursors and its items."""
        self._run(sa.delete(_table).where(_table.c.name == name))

    def replay(self, name: str, positions: Mapping[UUID, int]) -> None:
        """Set its cursors, and forget what it was not delivered; whoever delivers begins anew."""
        with explain(self.engine.url), self.engine.begin() as connection:
            found = connection.execute(
                sa.update(_table)
                .where(_table.c.name == name)
                .values(epoch=_NEXT_EPOCH, position=None, retry_at=None)
            )
            if not found.rowcount:
                return  # deleted meanwhile
            for table in (consumer_items, consumer_cursors):
                connection.execute(sa.delete(table).where(table.c.consumer == name))
            _set_cursors(connection, name, positions)

    def dead_letters(
        self, name: str, after: tuple[UUID, int] | None, limit: int
    ) -> list[DeadLetter]:
        """Dead letters of a consumer, by sync and stream position."""
        table = consumer_items
        query = sa.select(
            table.c.sync_id,
            table.c.seq,
            table.c.collection_id,
            table.c.upstream_id,
            table.c.deliveries,
            table.c.last_error.label("error"),
            table.c.created_at,
        ).where(table.c.consumer == name, table.c.state == "dead")
        if after is not None:
            query = query.where(sa.tuple_(table.c.sync_id, table.c.seq) > sa.tuple_(*after))
        query = query.order_by(table.c.sync_id, table.c.seq).limit(limit)
        with explain(self.engine.url), self.engine.connect() as connection:
            return [DeadLetter(**row) for row in connection.execute(query).mappings()]

    def redeliver(self, name: str, seqs: Sequence[int] | None) -> int:
        """Deliver dead letters again; returns their number. Whoever delivers begins anew."""
        table = consumer_items
        statement = (
            sa.update(table)
            .where(table.c.consumer == name, table.c.state == "dead")
            .values(state="retry", deliveries=0, due_at=_now)
        )
        if seqs is not None:
            statement = statement.where(table.c.seq.in_(seqs))
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(
                sa.update(_table)
                .where(_table.c.name == name)
                .values(retry_at=None, epoch=_NEXT_EPOCH)
            )
            return connection.execute(statement).rowcount

    def _run(self, statement: sa.Update | sa.Delete) -> None:
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def _select(self, *where: sa.ColumnElement[bool]) -> list[ConsumerInfo]:
        names = ConsumerInfo.__slots__
        columns = (_table.c[name] if name in _table.c else _status.c[name] for name in names)
        query = (
            sa.select(*columns)
            .join(_status, _status.c.consumer == _table.c.name)
            .where(*where)
            .order_by(_table.c.name)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return [ConsumerInfo(**row) for row in connection.execute(query).mappings()]


def _retry_now(connection: Connection, name: str) -> None:
    table = consumer_items
    waits = (table.c.consumer == name, table.c.state == "retry")
    connection.execute(sa.update(table).where(*waits).values(due_at=_now))


def _set_cursors(connection: Connection, name: str, positions: Mapping[UUID, int]) -> None:
    wanted = [(sync, seq) for sync, seq in positions.items() if seq]
    if not wanted:
        return
    values = sa.values(sa.column("id", pg.UUID), sa.column("seq", sa.BigInteger), name="p")
    # A cursor may name syncs that were deleted.
    found = (
        sa.select(syncs.c.id, sa.literal(name), sa.column("seq"))
        .select_from(syncs)
        .join(values.data(wanted), sa.literal_column("p.id") == syncs.c.id)
    )
    statement = sa.insert(consumer_cursors).from_select(["sync_id", "consumer", "seq"], found)
    connection.execute(statement)
