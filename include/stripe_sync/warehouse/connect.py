"""Connections to the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from stripe_sync.errors import ConfigurationError, WarehouseError
from stripe_sync.records import canonical_json

# Longer than any transaction: threads wait for a connection rather than fail.
_POOL_WAIT_SECONDS = 3600.0

_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")

# When a client host is lost, its locks stay until the server notices: within a minute with these
# keepalives, after hours with an operating system's defaults.
_SESSION_SETTINGS = """
SET application_name = 'stripe_sync';
SET tcp_keepalives_idle = 20;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
SET TimeZone = 'UTC'
"""

# SQLSTATEs of a refused or lost connection; errors of libpq itself have none.
_NO_CONNECTION = ("08", "28", "3D", "53300", "57P")
_NO_TABLES = ("3F000", "42P01")


def parse_url(url: str) -> URL:
    """Parse and check the warehouse's URL.

    Args:
        url: ``postgresql://user:password@host:port/database``, or ``?host=/socket/folder``.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        # The message does not repeat the text, which may contain a password.
        parsed = None
    if parsed is None or parsed.drivername not in _SCHEMES:
        msg = "the warehouse URL must look like postgresql://user:password@host:5432/database"
        raise ConfigurationError(msg)
    return parsed.set(drivername="postgresql+psycopg")


def describe(url: URL) -> str:
    """The address without user and password, for messages."""
    socket_folder = url.query.get("host")
    host = socket_folder if isinstance(socket_folder, str) else url.host or "localhost"
    return f"{host}:{url.port or 5432}/{url.database or ''}"


def create_engine(url: str, *, connections: int = 10, kept_open: int = 2) -> Engine:
    """An engine with a pool of connections; a lost connection is replaced when it is taken.

    Args:
        url: The warehouse.
        connections: Size of the pool; a thread that finds no free connection waits for one.
        kept_open: Number of unused connections that stay open.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
    """
    engine = sa.create_engine(
        parse_url(url),
        pool_pre_ping=True,
        pool_size=kept_open,
        max_overflow=connections - kept_open,
        pool_timeout=_POOL_WAIT_SECONDS,
        json_serializer=lambda value: canonical_json.dumps(value).decode(),
        json_deserializer=canonical_json.loads,
    )
    sa.event.listen(engine, "connect", _prepare)
    return engine


def open_connection(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A psycopg connection without a pool, for COPY.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
        WarehouseError: The warehouse cannot be reached.
    """
    parsed = parse_url(url)
    with explain(parsed):
        dsn = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(dsn, autocommit=True)
        _prepare(connection)
        connection.autocommit = False
        return connection


@contextmanager
def explain(url: URL) -> Iterator[None]:
    """Turn an error of the driver into one that names the warehouse, the cause and the remedy."""
    try:
        yield
    except (psycopg.Error, sa.exc.DBAPIError) as error:
        raise WarehouseError(_message(url, getattr(error, "orig", None) or error)) from error


def cause_of(error: BaseException) -> str:
    """The server's message without its details, which may contain a customer's data."""
    message = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return message or str(error).strip().splitlines()[-1]


def _message(url: URL, error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    place, cause = describe(url), cause_of(error)
    if state is None or state.startswith(_NO_CONNECTION):
        return (
            f"cannot reach the warehouse at {place}: {cause}; "
            "check that PostgreSQL runs there and that the warehouse URL names the right "
            "host, port, database, user and password"
        )
    if state in _NO_TABLES:
        return f"the warehouse at {place} has no tables yet ({cause}); a backfill creates them"
    return f"the warehouse at {place} refused: {cause}"


def _prepare(connection: Any, _record: object = None) -> None:
    autocommit = connection.autocommit
    connection.autocommit = True
    connection.execute(_SESSION_SETTINGS)
    connection.autocommit = autocommit
