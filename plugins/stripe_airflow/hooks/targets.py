"""The connections of consumers' targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from stripe_airflow.hooks.extras import extras_of
from stripe_sync import ConfigurationError

if TYPE_CHECKING:
    from stripe_sync import TargetConnection


def target_connection(conn_id: str) -> TargetConnection:
    """A connection of a consumer's target.

    Args:
        conn_id: Its id.

    Raises:
        ConfigurationError: There is none, or its extras are not a JSON object.
    """
    from stripe_sync import TargetConnection

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        message = f"there is no Airflow connection {conn_id!r}: create it, or name another"
        raise ConfigurationError(message, param="connection_id") from None
    return TargetConnection(
        id=conn_id,
        type=str(connection.conn_type),
        host=connection.host or None,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        schema=connection.schema or None,
        extra=extras_of(connection),
    )
