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

_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")

# A host that vanishes without a word keeps its locks until the server notices: within a minute
# with these, after hours with an operating system's defaults.
_SESSION_SETTINGS = """
SET application_name = 'stripe_sync';
SET tcp_keepalives_idle = 20;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
SET TimeZone = 'UTC'
"""

# SQLSTATE classes of a connection that is refused or gone; libpq's own failures have none.
_NO_CONNECTION = ("08", "28", "3D", "53300", "57P")
_NO_TABLES = ("3F000", "42P01")


def parse_url(url: str) -> URL:
    """The warehouse's address, checked.

    Args:
        url: ``postgresql://user:password@host:port/database``, or ``?host=/socket/folder``.

    Raises:
        ConfigurationError: It is not such a URL.
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        # The text is not repeated: it may hold a password.
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


def create_engine(url: str) -> Engine:
    """An engine for short transactions: state, status, reads.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
    """
    # A loop that polls and one that loads share it; nothing needs more connections than that.
    engine = sa.create_engine(
        parse_url(url),
        pool_pre_ping=True,
        pool_size=2,
        max_overflow=8,
        json_serializer=lambda value: canonical_json.dumps(value).decode(),
        json_deserializer=canonical_json.loads,
    )
    sa.event.listen(engine, "connect", _prepare)
    return engine


def open_connection(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of the driver itself, for COPY.

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
    """Turn what the driver raises into a message that names place, cause and remedy."""
    try:
        yield
    except (psycopg.Error, sa.exc.DBAPIError) as error:
        raise WarehouseError(_message(url, getattr(error, "orig", None) or error)) from error


def cause_of(error: BaseException) -> str:
    """The server's own words without its details, which may quote a customer's data."""
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return told or str(error).strip().splitlines()[-1]


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
        return f"the warehouse at {place} has no tables yet ({cause}); a backfill makes them"
    return f"the warehouse at {place} refused: {cause}"


def _prepare(connection: Any, _record: object = None) -> None:
    autocommit = connection.autocommit
    connection.autocommit = True
    connection.execute(_SESSION_SETTINGS)
    connection.autocommit = autocommit
