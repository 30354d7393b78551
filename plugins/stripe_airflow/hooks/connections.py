"""The connections of a sync, from Airflow connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowNotFoundException

from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.stripe import StripeHook
from stripe_airflow.hooks.warehouse import WAREHOUSE_CONN_ID, warehouse_url
from stripe_sync import ConfigurationError

if TYPE_CHECKING:
    from stripe_sync import Connections

LAKE_CONN_ID = StripeLakeHook.default_conn_name


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
