"""Connections to the warehouse, direct ones and through transaction poolers.

A transaction pooler (PgBouncer in transaction mode, and what hosts build on it) may run each
transaction in another session of the server. So nothing that another transaction needs outlives one
there: no prepared statement, temporary table, advisory lock, LISTEN or setting of the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.types.datetime import TimestamptzBinaryLoader, TimestamptzLoader
from sqlalchemy.engine import URL, Engine

from stripe_sync import libpq
from stripe_sync.errors import WarehouseError
from stripe_sync.records import canonical_json

# Longer than any transaction: threads wait for a connection rather than fail.
_POOL_WAIT_SECONDS = 3600.0

# When a client host is lost, its locks stay until the server notices: within a minute with these
# keepalives, after hours with an operating system's defaults. A pooler notices by itself.
_SESSION_SETTINGS = """
SET tcp_keepalives_idle = 20;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
SET TimeZone = 'UTC';
"""

_DRIVER_ERRORS = (
    psycopg.Error,
    sa.exc.DBAPIError,
    sa.exc.PendingRollbackError,
    sa.exc.ResourceClosedError,
    sa.exc.TimeoutError,
)

# SQLSTATEs of a refused or lost connection; errors of libpq itself have none.
_NO_CONNECTION = ("08", "28", "3D", "53300", "57P")
_NO_TABLES = ("3F000", "42P01")
_NO_RIGHT = "42501"
_POOLER_REFUSES = "unsupported startup parameter"


class _UtcLoader(TimestamptzLoader):
    """Loads times as UTC, whatever time zone a pooler's session has."""

    def __init__(self, oid: int, context: Any = None) -> None:
        super().__init__(oid, context)
        self._timezone = UTC


class _UtcBinaryLoader(TimestamptzBinaryLoader):
    """The same for the binary format."""

    def __init__(self, oid: int, context: Any = None) -> None:
        super().__init__(oid, context)
        self._timezone = UTC


def parse_url(url: str) -> URL:
    """Parse and check the warehouse's URL.

    Args:
        url: As ``libpq.connection_parameters``.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL, or has a wrong parameter.
    """
    parameters = libpq.connection_parameters(url)
    # Several hosts, or the folder of a socket, are no host part of a URL.
    host = parameters.get("host", "")
    in_query = "/" in host or "," in host
    return URL.create(
        "postgresql+psycopg",
        username=parameters.pop("user", None),
        password=parameters.pop("password", None),
        host=None if in_query else parameters.pop("host", None),
        port=int(port) if (port := parameters.pop("port", None)) else None,
        database=parameters.pop("dbname", None),
        query=parameters,
    )


def describe(url: URL) -> str:
    """The address without user and password, for messages."""
    parts = {**url.translate_connect_args(database="dbname"), **url.query}
    return libpq.describe({name: str(value) for name, value in parts.items()})


def create_engine(url: str, *, connections: int = 10, kept_open: int = 2) -> Engine:
    """An engine with a pool of connections; a lost connection is replaced when it is taken.

    Args:
        url: The warehouse.
        connections: Size of the pool; a thread that finds no free connection waits for one.
        kept_open: Number of unused connections that stay open.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL, or has a wrong parameter.
    """
    engine = sa.create_engine(
        parse_url(url),
        connect_args=libpq.connect_arguments(url),
        pool_pre_ping=True,
        pool_size=kept_open,
        max_overflow=connections - kept_open,
        pool_timeout=_POOL_WAIT_SECONDS,
        hide_parameters=True,  # tracebacks would show what a mutation sends
        json_serializer=lambda value: canonical_json.dumps(value).decode(),
        json_deserializer=canonical_json.loads,
    )
    sa.event.listen(engine, "connect", _prepare)
    return engine


def open_connection(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A psycopg connection without a pool, for COPY.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL, or has a wrong parameter.
        WarehouseError: The warehouse cannot be reached.
    """
    arguments = libpq.connect_arguments(url)
    with explain(parse_url(url)):
        connection = psycopg.connect(**arguments)
        _prepare(connection)
        return connection


@contextmanager
def using(engine: Engine, connection: sa.Connection | None) -> Iterator[sa.Connection]:
    """A given connection, whose transaction is the caller's, or one of the pool with its own."""
    if connection is not None:
        yield connection
        return
    with engine.begin() as own:
        yield own


@contextmanager
def explain(url: URL) -> Iterator[None]:
    """Turn an error of the driver into one that names the warehouse, the cause and the remedy."""
    try:
        yield
    except _DRIVER_ERRORS as error:
        raise WarehouseError(_message(url, getattr(error, "orig", None) or error)) from error


def cause_of(error: BaseException) -> str:
    """The server's message without its details, which may contain a customer's data."""
    message = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return message or " ".join(str(error).split())


def _message(url: URL, error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    place, cause = describe(url), cause_of(error)
    if _POOLER_REFUSES in cause:
        return (
            f"the pooler at {place} refuses to connect: {cause}; remove this parameter from the "
            "warehouse URL, or add it to the pooler's ignore_startup_parameters"
        )
    if state is None or state.startswith(_NO_CONNECTION):
        return (
            f"cannot reach the warehouse at {place}: {cause}; "
            "check that PostgreSQL runs there and that the warehouse URL names the right "
            "host, port, database, user and password"
        )
    if state == _NO_RIGHT:
        return (
            f"the warehouse at {place} refused: {cause}; an upgrade (each run begins with one) "
            "names the GRANT that is missing"
        )
    if state in _NO_TABLES:
        return f"the warehouse at {place} has no tables yet ({cause}); a backfill creates them"
    return f"the warehouse at {place} refused: {cause}"


def _prepare(connection: psycopg.Connection[Any], _record: object = None) -> None:
    autocommit = connection.autocommit
    connection.autocommit = True
    row = connection.execute(libpq.BACKEND_PID).fetchone()
    if row is not None and libpq.keep_session(connection, row[0]):
        connection.execute(_SESSION_SETTINGS + libpq.ISO_DATES)
    else:
        connection.adapters.register_loader("timestamptz", _UtcLoader)
        connection.adapters.register_loader("timestamptz", _UtcBinaryLoader)
    connection.autocommit = autocommit
