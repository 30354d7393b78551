"""What a sync works with, out of Airflow connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from sqlalchemy.engine import URL

from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.stripe import StripeHook
from stripe_sync.errors import ConfigurationError

if TYPE_CHECKING:
    from stripe_sync.sync.connections import Connections

WAREHOUSE_CONN_ID = "stripe_warehouse"

_LIBPQ_EXTRAS = frozenset(
    {
        "application_name",
        "connect_timeout",
        "host",
        "keepalives",
        "keepalives_idle",
        "options",
        "sslcert",
        "sslkey",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
    }
)


def stripe_conn_id(sync: str) -> str:
    """Id of the Stripe connection of a sync: ``stripe_default`` for the sync ``default``.

    Raises:
        ConfigurationError: The name would stand for the warehouse's or the lake's connection.
    """
    conn_id = f"stripe_{sync}"
    if conn_id in {WAREHOUSE_CONN_ID, StripeLakeHook.default_conn_name}:
        msg = f"a sync cannot be named {sync!r}: {conn_id!r} is another kind of connection"
        raise ConfigurationError(msg)
    return conn_id


def warehouse_url(conn_id: str = WAREHOUSE_CONN_ID) -> str:
    """The warehouse's URL (``postgresql://…``) out of a connection of type ``postgres``.

    Args:
        conn_id: Id of the connection. Of its extras only what libpq knows is carried over.

    Raises:
        AirflowNotFoundException: There is no such connection.
    """
    connection = BaseHook.get_connection(conn_id)
    host = connection.host or None
    query = {
        key: str(value) for key, value in connection.extra_dejson.items() if key in _LIBPQ_EXTRAS
    }
    if host and host.startswith("/"):  # a socket's directory cannot stand in a URL's host part
        query["host"], host = host, None
    return URL.create(
        "postgresql",
        username=connection.login or None,
        password=connection.password or None,
        host=host,
        port=connection.port,
        database=connection.schema or None,
        query=query,
    ).render_as_string(hide_password=False)


def connections_for(sync: str) -> Connections:
    """Everything that a sync works with: Stripe, warehouse, lake.

    Args:
        sync: Name of the sync.

    Raises:
        ConfigurationError: One of the connections is missing, or lacks what it must hold.
    """
    from stripe_sync.sync.connections import Connections

    stripe = StripeHook(stripe_conn_id(sync))
    try:
        return Connections(
            credential=stripe.get_conn(),
            warehouse_url=warehouse_url(),
            lake_url=StripeLakeHook().get_conn(),
            settings=stripe.sync_settings(),
        )
    except AirflowNotFoundException as error:
        msg = f"sync {sync!r} lacks a connection: {error}"
        raise ConfigurationError(msg) from error
