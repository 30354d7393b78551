"""Connections to the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from stripe_sync import jsonio
from stripe_sync.errors import ConfigurationError, WarehouseError

_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")

# A host that vanishes without a word keeps its locks until the server notices: within a minute
# with these, after hours with an operating system's defaults.
_SESSION_SETTINGS = (
    "SET application_name = 'stripe_sync'",
    "SET tcp_keepalives_idle = 20",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
    "SET TimeZone = 'UTC'",
)


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
        json_serializer=lambda value: jsonio.dumps(value).decode(),
        json_deserializer=jsonio.loads,
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
    """Turn the failure to connect into a message that names the address and the remedy."""
    try:
        yield
    except (psycopg.OperationalError, sa.exc.OperationalError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[-1]
        msg = (
            f"cannot reach the warehouse at {describe(url)}: {cause}; "
            "check that PostgreSQL runs there and that the warehouse URL names the right "
            "host, port, database, user and password"
        )
        raise WarehouseError(msg) from error


def _prepare(connection: Any, _record: object = None) -> None:
    autocommit = connection.autocommit
    connection.autocommit = True
    for statement in _SESSION_SETTINGS:
        connection.execute(statement)
    connection.autocommit = autocommit
