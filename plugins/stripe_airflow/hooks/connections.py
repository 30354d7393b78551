"""The connections of a sync, from Airflow connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from stripe_airflow.hooks.extras import extras_of
from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.stripe import StripeHook
from stripe_sync import ConfigurationError

if TYPE_CHECKING:
    from stripe_sync import Connections

WAREHOUSE_CONN_ID = "stripe_warehouse"
LAKE_CONN_ID = StripeLakeHook.default_conn_name

_CURSOR_EXTRA = "cursor"
"""The one extra of a ``postgres`` connection that says nothing about how to connect."""


def stripe_conn_id_of(sync: str) -> str:
    """Default id of a sync's Stripe connection: ``stripe_default`` for the sync ``default``.

    Raises:
        ConfigurationError: The id is that of the warehouse or the lake.
    """
    conn_id = f"stripe_{sync}"
    if conn_id in {WAREHOUSE_CONN_ID, LAKE_CONN_ID}:
        msg = f"a sync cannot be named {sync!r}: {conn_id!r} is another type of connection"
        raise ConfigurationError(msg)
    return conn_id


def warehouse_url(warehouse_conn_id: str = WAREHOUSE_CONN_ID) -> str:
    """The warehouse's URL (``postgresql://…``) from a connection of type ``postgres``.

    Args:
        warehouse_conn_id: Id of the connection. Its extras are parameters of libpq.

    Raises:
        AirflowNotFoundException: There is no such connection.
        ConfigurationError: The connection's extras are not a JSON object, or one of them is not a
            parameter of libpq or has a wrong value.
    """
    from stripe_sync import render_warehouse_url

    connection = BaseHook.get_connection(warehouse_conn_id)
    fields = {
        "user": connection.login,
        "password": connection.password,
        "host": connection.host,
        "port": connection.port,
        "dbname": connection.schema,
    }
    extras = {
        name: _text(value)
        for name, value in extras_of(connection).items()
        if name != _CURSOR_EXTRA and value not in (None, "")  # "none" is a value of require_auth
    }
    given = {name: str(value) for name, value in fields.items() if value}
    try:
        return render_warehouse_url(given | extras)
    except ConfigurationError as error:
        msg = f"connection {warehouse_conn_id!r}: {error}"
        raise ConfigurationError(msg) from error


def _text(value: object) -> str:
    """A value as libpq reads it; of true and false it knows 1 and 0 only."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def connections_for(
    sync: str,
    *,
    stripe_conn_id: str | None = None,
    warehouse_conn_id: str = WAREHOUSE_CONN_ID,
    lake_conn_id: str = LAKE_CONN_ID,
) -> Connections:
    """Stripe credential, settings, warehouse and lake of a sync.

    Args:
        sync: Name of the sync.
        stripe_conn_id: Id of the Stripe connection; None for ``stripe_<sync>``.
        warehouse_conn_id: Id of the ``postgres`` connection.
        lake_conn_id: Id of the ``stripe_lake`` connection.

    Raises:
        ConfigurationError: A connection is missing or incomplete, or a setting is invalid.
    """
    from stripe_sync import Connections

    stripe = StripeHook(stripe_conn_id or stripe_conn_id_of(sync))
    try:
        return Connections(
            credential=stripe.get_conn(),
            warehouse_url=warehouse_url(warehouse_conn_id),
            lake_url=StripeLakeHook(lake_conn_id).get_conn(),
            settings=stripe.sync_settings(),
        )
    except AirflowNotFoundException as error:
        msg = f"sync {sync!r} lacks a connection: {error}"
        raise ConfigurationError(msg) from error
