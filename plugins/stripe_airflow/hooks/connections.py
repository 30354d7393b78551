"""The connections of syncs, from Airflow connections."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowNotFoundException

from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.stripe import StripeHook
from stripe_airflow.hooks.warehouse import WAREHOUSE_CONN_ID, warehouse_url
from stripe_sync import ConfigurationError, SyncNotFound, WarehouseError

if TYPE_CHECKING:
    from stripe_sync import Connections, SyncInfo

LAKE_CONN_ID = StripeLakeHook.default_conn_name

FRESH_SECONDS = 5.0
"""How long what was read for one sync is used for others: a new key takes effect after that."""


def default_sync() -> str:
    """Name of the sync where none is named: the environment variable ``STRIPE_SYNC``."""
    return os.environ.get("STRIPE_SYNC") or "default"


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
    return SyncConnections(warehouse_conn_id=warehouse_conn_id).stripe_conn_id(sync)


def is_live_key(sync: str, stripe_conn_id: str | None = None) -> bool | None:
    """Whether the key of a sync is a live mode key; None where there is no such connection yet.

    Args:
        sync: Name of a sync that is not stored yet.
        stripe_conn_id: Id of its Stripe connection; None for ``stripe_<sync>``.

    Raises:
        ConfigurationError: The connection has no key, or an invalid one.
    """
    try:
        return StripeHook(stripe_conn_id or stripe_conn_id_of(sync)).get_conn().livemode
    except AirflowNotFoundException:
        return None


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
    return SyncConnections(
        stripe_conn_id=stripe_conn_id,
        warehouse_conn_id=warehouse_conn_id,
        lake_conn_id=lake_conn_id,
    )(sync)


class SyncConnections:
    """Connections of many syncs for one task, as ``connections_for`` gives those of one.

    Two hundred syncs of one key take one query to the warehouse and three to Airflow, instead of
    that for each. Threads may share it.

    Args:
        stripe_conn_id: As for :func:`connections_for`, and so are the others.
        warehouse_conn_id: The same.
        lake_conn_id: The same.
    """

    def __init__(
        self,
        *,
        stripe_conn_id: str | None = None,
        warehouse_conn_id: str = WAREHOUSE_CONN_ID,
        lake_conn_id: str = LAKE_CONN_ID,
    ) -> None:
        self._stripe_conn_id = stripe_conn_id
        self._warehouse_conn_id = warehouse_conn_id
        self._lake_conn_id = lake_conn_id
        self._lock = RLock()
        self._read: dict[str, tuple[float, Any]] = {}

    def __call__(self, sync: str) -> Connections:
        """Stripe credential, settings, warehouse and lake of a sync.

        Raises:
            ConfigurationError: A connection is missing or incomplete, or a setting is invalid.
            WarehouseError: The warehouse cannot be reached, and the sync is not known.
        """
        from stripe_sync import Connections

        stripe = StripeHook(self._stripe_conn_id or self.stripe_conn_id(sync))
        conn_id = stripe.stripe_conn_id
        try:
            return Connections(
                credential=self._fresh(f"key {conn_id}", stripe.get_conn),
                warehouse_url=self._fresh("warehouse", self._warehouse_url),
                lake_url=self._fresh("lake", StripeLakeHook(self._lake_conn_id).get_conn),
                settings=self._fresh(f"settings {conn_id}", stripe.sync_settings),
                hash_secret=self._fresh(f"hash secret {conn_id}", stripe.hash_secret),
            )
        except AirflowNotFoundException as error:
            msg = f"sync {sync!r} lacks a connection: {error}: add it in Airflow under Admin"
            raise ConfigurationError(msg) from error

    def stripe_conn_id(self, sync: str) -> str:
        """Id of a sync's Stripe connection: the one that is stored with it, or the default one.

        While the warehouse cannot be reached, it is the one that was read last.

        Raises:
            ConfigurationError: As for :func:`stored_stripe_conn_id`.
            WarehouseError: The warehouse cannot be reached, and the sync is not known.
        """
        stored = self._find(sync)
        return (stored.connection_id if stored else None) or stripe_conn_id_of(sync)

    def name_of(self, sync: str) -> str:
        """Name of a sync, by its name or its id.

        Raises:
            SyncNotFound: There is no such sync.
            WarehouseError: The warehouse cannot be reached, and the sync is not known.
        """
        stored = self._find(sync)
        if stored is None:
            msg = f"there is no sync {sync!r}"
            raise SyncNotFound(msg)
        return stored.name

    def _find(self, sync: str) -> SyncInfo | None:
        """A stored sync, by its name or its id."""
        sync = sync.lower()  # ids may come in capitals, names have none
        with self._lock:
            _, known = self._read.get("syncs", (0.0, {}))
            if sync not in known:
                self._read.pop("syncs", None)  # it may be a new one
            try:
                known = self._fresh("syncs", self._syncs)
            except WarehouseError:
                # What was known stays so, and the next one does not wait for the warehouse either.
                self._read["syncs"] = (time.monotonic(), known)
                if sync not in known:
                    raise
            found: SyncInfo | None = known.get(sync)
        return found

    def _syncs(self) -> Mapping[str, SyncInfo]:
        """All syncs, by their ids and by their names."""
        from stripe_sync import describe_syncs

        try:
            syncs = describe_syncs(self._fresh("warehouse", self._warehouse_url))
        except AirflowNotFoundException:
            return {}
        return {str(sync.id): sync for sync in syncs} | {sync.name: sync for sync in syncs}

    def _warehouse_url(self) -> str:
        return warehouse_url(self._warehouse_conn_id)

    def _fresh(self, name: str, read: Callable[[], Any]) -> Any:
        """What was read under a name some seconds ago, or is read now."""
        with self._lock:
            read_at, found = self._read.get(name, (0.0, None))
            if name not in self._read or time.monotonic() - read_at > FRESH_SECONDS:
                found = read()
                self._read[name] = (time.monotonic(), found)
        return found
