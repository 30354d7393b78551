"""Connections to a target, and what its errors mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg

from stripe_sync import libpq
from stripe_sync.consumers.sink import TargetConnection, TargetError
from stripe_sync.errors import ConfigurationError

_TYPES = ("postgres", "postgresql")
_CURSOR_EXTRA = "cursor"
"""The one extra of a connection that is no parameter of libpq."""

# The server ends what waits for a lock, runs or idles too long, so that the locks of a process that
# is lost do not stop the next one; this process ends what no server answers.
_TIMEOUTS = (
    "SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '60s', true),"
    " set_config('idle_in_transaction_session_timeout', '60s', true)"
)
_LONGEST_SECONDS = 90.0

# SQLSTATEs that are about a row: data, constraints, checks of views, triggers, too long a value.
_OF_ROWS = ("22", "23", "44", "54", "P0", *"689IJKLMNOQRSTUVWYZ")  # single: of triggers' own
_CONSTRAINT = "23"

_NO_CONNECTION = ("08", "28", "3D", "53300", "57P")
_REMEDIES = {
    "25006": "it is a read replica, or read-only: let the connection name the primary",
    "25P03": "this process paused in a transaction for more than 60 s",
    "42501": "the next try names the GRANT that is missing; if it names none, row-level security"
    " refuses: give the role a policy for all rows of both tables",
    "55P03": "somebody has locked the table for more than 5 s; end that transaction",
    "57014": "a statement took more than 60 s; look for slow triggers, locks and a busy disk",
}
_CHANGED = ("42P01", "42703", "42804")  # a table, a column, a type
_POOLER_REFUSES = "unsupported startup parameter"


def connect_arguments(connection: TargetConnection | None) -> dict[str, Any]:
    """The arguments with which psycopg connects.

    Raises:
        ConfigurationError: It is no connection to PostgreSQL, or has an unknown parameter.
    """
    if connection is None:
        message = "connection_id: name the Airflow connection of the target"
        raise ConfigurationError(message, param="connection_id")
    if connection.type not in _TYPES:
        message = f"connection {connection.id!r} has type {connection.type!r}, not 'postgres'"
        raise ConfigurationError(message, param="connection_id")
    fields: Mapping[str, Any] = {
        "user": connection.login,
        "password": connection.password,
        "host": connection.host,
        "port": connection.port,
        "dbname": connection.schema,
    }
    given = {
        name: str(int(value)) if isinstance(value, bool) else str(value)
        for name, value in (*connection.extra.items(), *fields.items())
        if name != _CURSOR_EXTRA and value not in (None, "")
    }
    try:
        return libpq.connect_arguments(libpq.render_warehouse_url(given))
    except ConfigurationError as error:
        message = f"connection {connection.id!r}: {error}"
        raise ConfigurationError(message, param="connection_id") from None


async def connect(arguments: Mapping[str, Any]) -> psycopg.AsyncConnection[Any]:
    """Connect; each statement outside ``transaction`` is one of its own.

    Raises:
        TargetError: The target cannot be reached.
    """
    async with _limit(arguments):
        return await psycopg.AsyncConnection.connect(**arguments, autocommit=True)


@asynccontextmanager
async def transaction(
    connection: psycopg.AsyncConnection[Any], arguments: Mapping[str, Any]
) -> AsyncIterator[None]:
    """A transaction that ends within a limited time.

    Raises:
        TargetError: It was not committed, or may have been.
        RowRefused: The target refuses a row.
    """
    async with _limit(arguments), connection.transaction():
        # Settings of the transaction only: a pooler gives the session to others afterwards.
        await connection.execute(_TIMEOUTS)
        yield


class RowRefused(Exception):
    """The target refuses a row; the message is without its values."""


@asynccontextmanager
async def _limit(arguments: Mapping[str, Any]) -> AsyncIterator[None]:
    place = libpq.describe(arguments)
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            with explain(place):
                yield
    except TimeoutError:
        message = f"PostgreSQL at {place} does not answer: look whether it runs, and its disk"
        raise TargetError(message) from None


@contextmanager
def explain(place: str) -> Iterator[None]:
    """Turn an error of the driver into one with the cause and the remedy, without values."""
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        if state.startswith(_OF_ROWS):
            raise RowRefused(_refusal(error, state)) from None
        raise TargetError(_message(place, error, state)) from None


def _refusal(error: psycopg.Error, state: str) -> str:
    """Why a row was refused. Only the messages about constraints never have a value of it."""
    if state.startswith(_CONSTRAINT) and error.diag.message_primary:
        return f"the target refuses it: {error.diag.message_primary}"
    return f"the target refuses it: {type(error).__name__} (SQLSTATE {state}); its log has more"


def _message(place: str, error: psycopg.Error, state: str) -> str:
    cause = error.diag.message_primary or " ".join(str(error).split())
    if _POOLER_REFUSES in cause:
        return (
            f"the pooler at {place} refuses to connect: {cause}; remove this extra from the"
            " connection, or add it to the pooler's ignore_startup_parameters"
        )
    if not state or state.startswith(_NO_CONNECTION):
        return (
            f"cannot reach PostgreSQL at {place}: {cause}; check that it runs there, and host,"
            " port, database, user and password of the connection"
        )
    remedy = _REMEDIES.get(state)
    if state in _CHANGED:
        remedy = "its tables have changed; the next try names what is missing"
    return f"PostgreSQL at {place} refused: {cause}" + (f"; {remedy}" if remedy else "")
