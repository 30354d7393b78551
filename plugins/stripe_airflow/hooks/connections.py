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


def stored_stripe_conn_id(sync: str, warehouse_conn_id: str = WAREHOUSE_CONN_ID) -> str:
    """Id of a sync's Stripe connection: the one that is stored with it, or the default one.

    Args:
        sync: Name of the sync.
        warehouse_conn_id: Id of the warehouse's connection; without it nothing can be stored.

    Raises:
        ConfigurationError: The id is that of the warehouse or the lake, or the warehouse's
            connection is invalid.
        WarehouseError: The warehouse cannot be reached.
    """
    from stripe_sync import find_connection_id

    try:
        stored = find_connection_id(warehouse_url(warehouse_conn_id), sync)
    except AirflowNotFoundException:
        stored = None
    return stored or stripe_conn_id_of(sync)


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
        stripe_conn_id: Id of the Stripe connection; None for the one that is stored with the sync,
            or ``stripe_<sync>``.
        warehouse_conn_id: Id of the ``postgres`` connection.
        lake_conn_id: Id of the ``stripe_lake`` connection.

    Raises:
        ConfigurationError: A connection is missing or incomplete, or a setting is invalid.
        WarehouseError: The warehouse cannot be reached.
    """
    from stripe_sync import Connections

    stripe = StripeHook(stripe_conn_id or stored_stripe_conn_id(sync, warehouse_conn_id))
    try:
        return Connections(
            credential=stripe.get_conn(),
            warehouse_url=warehouse_url(warehouse_conn_id),
            lake_url=StripeLakeHook(lake_conn_id).get_conn(),
            settings=stripe.sync_settings(),
            hash_secret=stripe.hash_secret(),
        )
    except AirflowNotFoundException as error:
        msg = f"sync {sync!r} lacks a connection: {error}"
        raise ConfigurationError(msg) from error
