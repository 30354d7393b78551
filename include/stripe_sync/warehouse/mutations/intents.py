"""Stored mutations: a request is stored before it is sent, and decides what a retry may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.engine import Connection, Engine

from stripe_sync.records import ExecutedMutation
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.mutations import own_changes
from stripe_sync.warehouse.schema.mutation_tables import mutation_changes, mutations

_table = mutations

KEPT = timedelta(days=30)
"""How long a finished mutation answers its key."""

KEY_LIFE = timedelta(hours=23)
"""How long Stripe surely knows an idempotency key: it forgets keys after 24 hours."""

ERASED = ""
"""Hash of a request that was erased with its object: it cannot be compared any more."""

_CHANGES_KEPT = timedelta(days=45)  # Stripe events are listed for 30 days


@dataclass(frozen=True, slots=True)
class NewIntent:
    """A request to store.

    Attributes:
        position: Place of the record in the run, from 0.
        collection_id: ``stripe:customer``.
        kind: ``create``, ``update``, ``delete`` or an action.
        method: ``POST`` or ``DELETE``.
        endpoint: ``/v1/customers/{id}``.
        path_params: Values of its placeholders.
        body: Form-encoded parameters.
        body_hash: Hash of the whole request.
        idempotency_key: Key of the first attempt.
        attempt: Number of the attempt.
        needs_approval: Whether it is sent only if a person approved the run.
    """

    position: int
    collection_id: str
    kind: str
    method: str
    endpoint: str
    path_params: JsonObject
    body: str
    body_hash: str
    idempotency_key: str
    attempt: int = 1
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """A stored request.

    Attributes:
        key: Hash of the key of its run.
        position: Place of the record in the run, from 0.
        collection_id: ``stripe:customer``.
        kind: ``create``, ``update``, ``delete`` or an action.
        method: ``POST`` or ``DELETE``.
        endpoint: ``/v1/customers/{id}``.
        path_params: Values of its placeholders.
        body: Form-encoded parameters; None once the outcome is known.
        body_hash: Hash of the whole request.
        idempotency_key: Key that Stripe is sent.
        attempt: Number of the attempt, from 1.
        needs_approval: Whether it is sent only if a person approved the run.
        tries: How often it was marked as sent.
        status: ``prepared``, ``sent`` (outcome unknown), ``done`` or ``refused``.
        is_key_expired: Whether Stripe may have forgotten the key.
        request_id: Stripe's id of the request that was executed.
        result_collection_id: Collection of the object in the answer.
        upstream_id: Its key.
        seq: Stream position at which the record has the change.
        error: Stripe's refusal.
    """

    key: str
    position: int
    collection_id: str
    kind: str
    method: str
    endpoint: str
    path_params: JsonObject
    body: str | None
    body_hash: str
    idempotency_key: str
    attempt: int
    needs_approval: bool
    tries: int
    status: str
    is_key_expired: bool
    request_id: str | None
    result_collection_id: str | None
    upstream_id: str | None
    seq: int | None
    error: JsonObject | None

    @property
    def is_open(self) -> bool:
        """Whether it has no outcome yet."""
        return self.status in _OPEN


class Intents:
    """Reads and writes stored mutations."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def prepare(self, sync_id: UUID, key: str, new: Sequence[NewIntent]) -> list[Intent]:
        """Store the requests of a run that has none yet; returns the stored ones.

        Args:
            sync_id: The sync.
            key: Hash of the run's key.
            new: The requests.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        with explain(self.engine.url), self.engine.begin() as connection:
            # Two runs with one key: the second one waits here, and then finds all rows.
            rows = [{"sync_id": sync_id, "key": key, **asdict(each)} for each in new]
            connection.execute(pg.insert(_table).on_conflict_do_nothing(), rows)
            return _read(connection, sync_id, key)

    def find(self, sync_id: UUID, key: str) -> list[Intent]:
        """The requests of a run in their order; none where there is no such run.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        with explain(self.engine.url), self.engine.connect() as connection:
            return _read(connection, sync_id, key)

    def replace(self, sync_id: UUID, key: str, new: NewIntent) -> None:
        """Store another request in place of one that was never executed.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        values = asdict(new) | {"status": "prepared", "error": None, "sent_at": None}
        self._update(sync_id, key, new.position, values, _table.c.status.in_(_NOT_EXECUTED))

    def require_approval(self, sync_id: UUID, key: str) -> list[Intent]:
        """Let a run that is stored be sent only if a person approved it; returns its requests.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        place = sa.and_(_table.c.sync_id == sync_id, _table.c.key == key)
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(sa.update(_table).where(place).values(needs_approval=True))
            return _read(connection, sync_id, key)

    def mark_sent(self, sync_id: UUID, key: str, position: int) -> Intent:
        """Note that a request is about to leave, unless it has an outcome.

        The first time stays: Stripe counts the life of the key from it.

        Returns:
            The request as it was before: ``sent`` where another try of it may be under way or have
            been executed.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        place = _place(sync_id, key, position)
        with explain(self.engine.url), self.engine.begin() as connection:
            row = connection.execute(sa.select(*_COLUMNS).where(place).with_for_update()).one()
            intent = Intent(**row._mapping)
            if intent.status in _OPEN:
                sent_at = sa.func.coalesce(_table.c.sent_at, sa.func.clock_timestamp())
                values = {"status": "sent", "sent_at": sent_at, "tries": _table.c.tries + 1}
                connection.execute(sa.update(_table).where(place).values(values))
        return intent

    def mark_unsent(self, sync_id: UUID, intent: Intent) -> None:
        """Note that Stripe did not begin to execute a request: another run may send it.

        Args:
            sync_id: The sync.
            intent: As ``mark_sent`` returned it; nothing is noted if it was sent again since.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        values = {"status": "prepared", "sent_at": None}
        self._update(sync_id, intent.key, intent.position, values, _is_last_try(intent))

    def refuse(
        self, sync_id: UUID, intent: Intent, error: JsonObject, upstream_id: str | None = None
    ) -> bool:
        """Store that Stripe refused a request.

        Args:
            sync_id: The sync.
            intent: As ``mark_sent`` returned it.
            error: The refusal.
            upstream_id: Key of the object that it left all the same; None for none.

        Returns:
            False where the outcome is another one, or may be: a DELETE, for which Stripe knows no
            key, was sent again since.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        values = {
            "status": "refused",
            "finished_at": sa.func.clock_timestamp(),
            "body": None,
            "error": error,
            "upstream_id": upstream_id,
        }
        certain = _is_last_try(intent) if intent.method == "DELETE" else _table.c.status == "sent"
        return self._update(sync_id, intent.key, intent.position, values, certain)

    def is_reported(self, sync_id: UUID, key: tuple[str, str], mutation: ExecutedMutation) -> bool:
        """Whether the stream has a mutation's change from somebody who was faster.

        Args:
            sync_id: The sync.
            key: Collection id and upstream id of the record.
            mutation: The mutation.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        with explain(self.engine.url), self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor:
                return own_changes.is_reported(cursor, sync_id, key, mutation)

    def prune(self, sync_id: UUID) -> int:
        """Delete what is older than 30 days, and requests that nobody may send any more.

        Returns:
            Number of deleted mutations.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        now = sa.func.clock_timestamp()
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(
                sa.update(_table)
                .where(
                    _table.c.sync_id == sync_id,
                    _table.c.status == "sent",
                    _table.c.sent_at < now - KEY_LIFE,
                )
                .values(body=None)
            )
            connection.execute(
                sa.delete(mutation_changes).where(
                    mutation_changes.c.sync_id == sync_id,
                    mutation_changes.c.created_at < now - _CHANGES_KEPT,
                )
            )
            deleted = connection.execute(
                sa.delete(_table).where(
                    _table.c.sync_id == sync_id, _table.c.created_at < now - KEPT
                )
            )
            return deleted.rowcount

    def _update(
        self,
        sync_id: UUID,
        key: str,
        position: int,
        values: JsonObject,
        condition: sa.ColumnElement[bool],
    ) -> bool:
        place = _place(sync_id, key, position)
        with explain(self.engine.url), self.engine.begin() as connection:
            statement = sa.update(_table).where(place, condition).values(values)
            return connection.execute(statement).rowcount > 0


_OPEN = ("prepared", "sent")

_NOT_EXECUTED = ("prepared", "refused")

_EXPIRED = _table.c.sent_at < sa.func.clock_timestamp() - KEY_LIFE

_COMPUTED = {"is_key_expired": sa.func.coalesce(_EXPIRED, sa.false())}

_COLUMNS = [
    _COMPUTED[name].label(name) if name in _COMPUTED else _table.c[name]
    for name in Intent.__dataclass_fields__
]


def _place(sync_id: UUID, key: str, position: int) -> sa.ColumnElement[bool]:
    """The condition of one request."""
    columns = _table.c
    return sa.and_(columns.sync_id == sync_id, columns.key == key, columns.position == position)


def _is_last_try(intent: Intent) -> sa.ColumnElement[bool]:
    """Whether a request was not sent again since ``mark_sent`` returned it."""
    return sa.and_(_table.c.status == "sent", _table.c.tries == intent.tries + 1)


def _read(connection: Connection, sync_id: UUID, key: str) -> list[Intent]:
    statement = (
        sa.select(*_COLUMNS)
        .where(_table.c.sync_id == sync_id, _table.c.key == key)
        .order_by(_table.c.position)
    )
    return [Intent(**row._mapping) for row in connection.execute(statement)]
