"""The warehouse's connection, of Airflow's own type ``postgres``."""

from __future__ import annotations

from airflow.sdk import BaseHook

from stripe_airflow.hooks.extras import extras_of
from stripe_sync import ConfigurationError

WAREHOUSE_CONN_ID = "stripe_warehouse"

_CURSOR_EXTRA = "cursor"
"""The one extra of a ``postgres`` connection that says nothing about how to connect."""


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
