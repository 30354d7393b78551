"""The extras of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stripe_sync import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection


def extras_of(connection: Connection) -> dict[str, Any]:
    """The extras of a connection by name; empty if it has none.

    Airflow itself reads text that is not JSON as no extras at all.

    Raises:
        ConfigurationError: The extras are set, but are not a JSON object.
    """
    text = "".join((connection.extra or "").split())
    if not text:
        return {}
    extras: object = connection.extra_dejson
    if not isinstance(extras, dict) or (not extras and text != "{}"):
        msg = (
            f"the extras of connection {connection.conn_id!r} are not a JSON object: "
            'write them as {"name": value, ...}, or remove them'
        )
        raise ConfigurationError(msg)
    return dict(extras)
