"""Syncs as rows: list, read, create, update, pause, resume. No request to Stripe is sent.

A sync may also begin with its first backfill, as before: these functions are for those who want to
choose its collections, store its settings, or prepare it before its key is at hand.

Every function takes the URL of the warehouse (``postgresql://…``) and raises ``WarehouseError`` if
it cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from stripe_sync.accounts.sync_values import (
    check_connected_account,
    check_connection_id,
    check_external_id,
    check_name,
    merge_metadata,
    merge_settings,
    resolve_collections,
)
from stripe_sync.catalog import PINNED_API_VERSION, load_catalog
from stripe_sync.errors import ConfigurationError, SyncBusy, SyncConflict
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.connections import Connections, SyncSettings
from stripe_sync.sync.session import refuse_history, refuse_inactive, resolve_selected
from stripe_sync.warehouse import Sync, Warehouse
from stripe_sync.warehouse.warehouse import open_warehouse

_ATTEMPTS = 5
_WHERE = frozenset(("connection_id", "connected_account"))
"""Columns that decide which key acts on which account."""


class SyncChanges(TypedDict, total=False):
    """What can be stored with a sync; what is left out stays as it is.

    Attributes:
        settings: Settings by name (``SyncSettings``); they win over the extras of the connection.
            An update merges them; None removes one.
        collections: Names of its collections in any accepted spelling; None or empty for all.
        connection_id: Airflow connection that has its key; None for ``stripe_<name>``.
        connected_account: ``acct_…`` that the key acts on, of a Connect platform; None for that of
            the connection.
        external_id: Your own id of it, up to 255 characters; None for none.
        metadata: Your own data, a JSON object of up to 20,000 bytes. An update merges the names on
            its first level; None removes one.
    """

    settings: Mapping[str, object]
    collections: Sequence[str] | None
    connection_id: str | None
    connected_account: str | None
    external_id: str | None
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SyncInfo:
    """One sync.

    Attributes:
        id: UUIDv5 of the name.
        name: Its name, also that of its folder in the lake.
        status: ``active``, ``paused``, ``disconnected`` (Stripe gives the key no access to its
            connected account) or ``deleting``.
        account_id: ``acct_…``; None before its first use, or if the key may not read it.
        account_name: Name of the account; None where no key could read it.
        livemode: Live data rather than test data.
        api_version: Version of all payloads.
        collection_ids: Its collections (``stripe:customer``); None for all.
        settings: Settings stored with it; they win over the extras of its connection.
        settings_in_effect: All settings of its last run; empty before the first.
        connection_id: Airflow connection that has its key; None for ``stripe_<name>``.
        connected_account: ``acct_…`` that the key acts on; None for that of the connection.
        external_id: The caller's own id of it.
        metadata: The caller's own data.
        created_at: When it was created.
        updated_at: When it last changed.
    """

    id: UUID
    name: str
    status: str
    account_id: str | None
    account_name: str | None
    livemode: bool
    api_version: str
    collection_ids: tuple[str, ...] | None
    settings: JsonObject
    settings_in_effect: JsonObject
    connection_id: str | None
    connected_account: str | None
    external_id: str | None
    metadata: JsonObject
    created_at: datetime
    updated_at: datetime

    @property
    def conn_id(self) -> str:
        """Id of the Airflow connection that has its key."""
        return self.connection_id or f"stripe_{self.name}"

    @classmethod
    def of(cls, sync: Sync) -> SyncInfo:
        """The public view of a stored sync."""
        known = sync.account_id.startswith("acct_")
        return cls(
            id=sync.id,
            name=sync.name,
            status=sync.status,
            account_id=sync.account_id if known else None,
            account_name=sync.account_name,
            livemode=sync.livemode,
            api_version=sync.api_version,
            collection_ids=sync.collections,
            settings=sync.overrides,
            settings_in_effect=sync.settings,
            connection_id=sync.connection_id,
            connected_account=sync.connected_account,
            external_id=sync.external_id,
            metadata=sync.metadata,
            created_at=sync.created_at,
            updated_at=sync.updated_at,
        )


def describe_syncs(warehouse_url: str, *, external_id: str | None = None) -> list[SyncInfo]:
    """All syncs by name; none when the warehouse has no tables yet.

    Args:
        warehouse_url: The warehouse.
        external_id: Only those with this external id.

    Example:
        >>> from stripe_sync import describe_syncs
        >>> [sync.name for sync in describe_syncs(connections.warehouse_url)]
        ['default']
    """
    with open_warehouse(warehouse_url) as warehouse:
        found = [SyncInfo.of(sync) for sync in warehouse.syncs.all()]
    return [each for each in found if external_id in (None, each.external_id)]


def get_sync(warehouse_url: str, sync: str) -> SyncInfo:
    """One sync.

    Args:
        warehouse_url: The warehouse.
        sync: Its name or its id.

    Raises:
        SyncNotFound: There is none.

    Example:
        >>> from stripe_sync import get_sync
        >>> get_sync(connections.warehouse_url, "default").status
        'active'
    """
    with open_warehouse(warehouse_url) as warehouse:
        return SyncInfo.of(find_sync(warehouse, sync))


def create_sync(
    warehouse_url: str,
    name: str,
    *,
    livemode: bool,
    backfill: bool = False,
    **values: Unpack[SyncChanges],
) -> SyncInfo:
    """Create a sync. Its account is learnt when it first runs, which is when its key is needed.

    Args:
        warehouse_url: The warehouse.
        name: Lower-case letters, digits, ``-`` and ``_``; up to 100 characters.
        livemode: Whether its key is a live mode key.
        backfill: Whether it is to be backfilled: then ``syncs_to_backfill`` names it until it is.
        **values: See :class:`SyncChanges`.

    Raises:
        SyncConflict: There is such a sync already, or the warehouse has data of a deleted one.
        ConfigurationError: A value is invalid; ``param`` has its name.

    Example:
        >>> from stripe_sync import create_sync
        >>> sync = create_sync(
        ...     connections.warehouse_url, "eu", livemode=False, collections=["customer"]
        ... )
        >>> sync.status, sync.account_id, sync.collection_ids
        ('active', None, ('stripe:customer',))
    """
    check_name(name)
    columns = columns_of(None, values) | {"backfill_wanted": backfill}
    with open_warehouse(warehouse_url) as warehouse:
        return SyncInfo.of(create_row(warehouse, name, livemode=livemode, columns=columns))


def update_sync(warehouse_url: str, sync: str, **changes: Unpack[SyncChanges]) -> SyncInfo:
    """Change what is stored with a sync. A poller begins to use it within seconds.

    A collection that is added needs a backfill; the records of one that is removed stay as they
    are.

    Args:
        warehouse_url: The warehouse.
        sync: Its name or its id.
        **changes: See :class:`SyncChanges`.

    Raises:
        SyncNotFound: There is none.
        SyncConflict: It is being deleted.
        ConfigurationError: A value is invalid; ``param`` has its name.

    Example:
        >>> from stripe_sync import update_sync
        >>> update_sync(connections.warehouse_url, "eu", metadata={"team": "billing"}).metadata
        {'team': 'billing'}
    """
    with open_warehouse(warehouse_url) as warehouse:
        return SyncInfo.of(change_row(warehouse, sync, lambda found: columns_of(found, changes)))


def pause_sync(warehouse_url: str, sync: str) -> SyncInfo:
    """Send no more requests for a sync: polling of it ends within seconds.

    A backfill or reconcile of a collection that is running ends with that collection.

    Args:
        warehouse_url: The warehouse.
        sync: Its name or its id.

    Raises:
        SyncNotFound: There is none.
        SyncConflict: It is being deleted.

    Example:
        >>> from stripe_sync import pause_sync
        >>> pause_sync(connections.warehouse_url, "eu").status
        'paused'
    """
    with open_warehouse(warehouse_url) as warehouse:
        return SyncInfo.of(change_row(warehouse, sync, lambda _: {"status": "paused"}))


def resume_sync(warehouse_url: str, sync: str) -> SyncInfo:
    """Let a paused or disconnected sync go on: polling continues where it stopped, within seconds.

    After more than 30 days ``stripe_reconcile`` reads everything again.

    Args:
        warehouse_url: The warehouse.
        sync: Its name or its id.

    Raises:
        SyncNotFound: There is none.
        SyncConflict: It is being deleted.

    Example:
        >>> from stripe_sync import resume_sync
        >>> resume_sync(connections.warehouse_url, "eu").status
        'active'
    """
    with open_warehouse(warehouse_url) as warehouse:
        return SyncInfo.of(change_row(warehouse, sync, lambda _: {"status": "active"}))


def check_runnable(warehouse_url: str, sync: str, collections: Sequence[str] = ()) -> SyncInfo:
    """A sync, if it may send requests for these collections now.

    Args:
        warehouse_url: The warehouse.
        sync: Its name or its id.
        collections: Names in any accepted spelling; empty for all that it has.

    Raises:
        SyncNotFound: There is none.
        SyncConflict: It is paused, disconnected or being deleted.
        ConfigurationError: A name is unknown, or the sync does not have the collection.

    Example:
        >>> from stripe_sync import check_runnable
        >>> check_runnable(connections.warehouse_url, "default", ["customer"]).name
        'default'
    """
    with open_warehouse(warehouse_url) as warehouse:
        found = find_sync(warehouse, sync)
    refuse_inactive(found)
    catalog = load_catalog(tuple(_include_parents(found, found.overrides)))
    for name in collections:
        resolve_selected(catalog, found, name)
    return SyncInfo.of(found)


def sync_settings(connections: Connections, sync: str) -> SyncSettings:
    """The settings of a sync: those stored with it, then those of its connection, then defaults.

    Args:
        connections: How to reach the warehouse; the settings of the connection.
        sync: Its name; one that does not exist yet has the settings of its connection.

    Raises:
        ConfigurationError: A stored setting is invalid.

    Example:
        >>> from stripe_sync import sync_settings
        >>> sync_settings(connections, "default").cadence
        'fixed'
    """
    with open_warehouse(connections.warehouse_url) as warehouse:
        found = warehouse.syncs.find(sync)
    return connections.of_sync(found).settings


def changed_collections(
    sync: SyncInfo, *, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> list[str]:
    """Collections of a sync after some were added and others removed, for :func:`update_sync`.

    Args:
        sync: The sync; one that has all collections loses those that are removed.
        add: Names in any accepted spelling.
        remove: The same.

    Raises:
        ConfigurationError: A name is unknown, or no collection is left.
    """
    every = [*load_catalog()]
    present = every if sync.collection_ids is None else [*sync.collection_ids]
    removed = set(resolve_collections(remove) or ())
    left = [*(name for name in present if name not in removed), *(resolve_collections(add) or ())]
    if not left:
        message = f"sync {sync.name} would have no collection left: pause or delete it instead"
        raise ConfigurationError(message, param="collections")
    return left


def create_row(
    warehouse: Warehouse, name: str, *, livemode: bool, columns: Mapping[str, Any]
) -> Sync:
    """Create a sync from columns that were checked.

    Raises:
        SyncConflict: There is such a sync already, or the warehouse has data of a deleted one.
    """
    if warehouse.syncs.find(name) is None:
        refuse_history(warehouse, None, name)
    version = str(columns["overrides"].get("api_version", PINNED_API_VERSION))
    return warehouse.syncs.create(
        name, livemode=livemode, api_version=version, values=dict(columns)
    )


def find_sync(warehouse: Warehouse, sync: str) -> Sync:
    """A sync by its name or its id.

    Raises:
        SyncNotFound: There is none.
    """
    by_id = (each for each in warehouse.syncs.all() if str(each.id) == sync.lower())
    return next(by_id, None) or warehouse.syncs.get(sync)


def change_row(warehouse: Warehouse, name: str, columns: Callable[[Sync], dict[str, Any]]) -> Sync:
    """Change columns that depend on the stored ones, though others change the sync meanwhile.

    What is stored already is no change: the time of the last one stays.

    Raises:
        SyncConflict: The sync is being deleted.
    """
    for _ in range(_ATTEMPTS):
        sync = find_sync(warehouse, name)
        if sync.status == "deleting":
            message = f"sync {sync.name} is being deleted: create it anew when that is done"
            raise SyncConflict(message)
        values = columns(sync)
        if all(plain(getattr(sync, name)) == plain(value) for name, value in values.items()):
            return sync
        if warehouse.syncs.change(sync, values):
            return warehouse.syncs.get(sync.name)
    message = f"sync {name} is being changed by others all the time: try again"
    raise SyncBusy(message)


def plain(value: Any) -> Any:
    """A value of a column, to be compared: stored lists are tuples."""
    return list(value) if isinstance(value, tuple) else value


def columns_of(sync: Sync | None, changes: SyncChanges) -> dict[str, Any]:
    """Columns of a sync by name, from the values of a caller.

    Raises:
        ConfigurationError: A value is invalid.
    """
    overrides = merge_settings(sync.overrides if sync else {}, changes.get("settings", {}))
    columns: dict[str, Any] = {"overrides": overrides}
    if "metadata" in changes:
        columns["metadata"] = merge_metadata(sync.metadata if sync else {}, changes["metadata"])
    if "collections" in changes:
        parents = _include_parents(sync, overrides)
        columns["collections"] = resolve_collections(changes["collections"], parents)
    if "external_id" in changes:
        columns["external_id"] = check_external_id(changes["external_id"])
    if "connection_id" in changes:
        columns["connection_id"] = check_connection_id(changes["connection_id"])
    if "connected_account" in changes:
        columns["connected_account"] = check_connected_account(changes["connected_account"])
        check_account_stays(sync, columns["connected_account"])
    if sync and sync.status == "disconnected" and columns.keys() & _WHERE:
        columns["status"] = "active"
    return columns


def check_account_stays(sync: Sync | None, account: str | None) -> None:
    """Refuse another connected account than the one that a sync stores.

    Raises:
        ConfigurationError: It is another.
    """
    if sync and sync.account_id.startswith("acct_") and account not in (None, sync.account_id):
        message = f"sync {sync.name} stores {sync.account_id}: create another one for {account}"
        raise ConfigurationError(message, param="connected_account")


def _include_parents(sync: Sync | None, overrides: Mapping[str, Any]) -> Sequence[str]:
    in_effect = {**(sync.settings if sync else {}), **overrides}
    return tuple(in_effect.get("include_parents") or ())
