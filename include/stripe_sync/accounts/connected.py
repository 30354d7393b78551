"""Connected accounts of a Connect platform: which there are, a sync for each of them.

Each is a sync of its own with the platform's key: its own cursor, request budget and lake folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stripe_sync.accounts.credentials.check import identify_credential
from stripe_sync.accounts.sync_values import NAME_LENGTH
from stripe_sync.accounts.syncs import SyncInfo, create_row
from stripe_sync.client.identity import name_of
from stripe_sync.errors import AccountDisconnected, ConfigurationError, StripeSyncError
from stripe_sync.extract.pagination import ListRequest, id_of, paginate
from stripe_sync.records import ids
from stripe_sync.sync.connections import EVERY_ACCOUNT, Connections, SyncSettings
from stripe_sync.sync.session import Session, open_session
from stripe_sync.warehouse import Sync, Warehouse
from stripe_sync.warehouse.warehouse import open_warehouse

_ACCOUNTS = ListRequest("/v1/accounts")
_OF_PLATFORM_ONLY = ("connected_accounts", "cadence")
"""Settings that a connected account does not take over from its platform."""


class ConnectedState(StrEnum):
    """Whether a connected account has a sync.

    Attributes:
        NEW: It has none.
        SYNCED: It has one.
        UNLISTED: It has one, but Stripe does not list the account. Accounts that were made by a
            newer API may be missing in the list; polling finds out whether the key has access.
        DISCONNECTED: It has one, and Stripe gives the key no access to the account.
    """

    NEW = "new"
    SYNCED = "synced"
    UNLISTED = "unlisted"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """One connected account of a platform.

    Attributes:
        account: ``acct_…``.
        name: What the Dashboard shows; None where it has no name, or Stripe does not list it.
        state: Whether it has a sync.
        sync: Name of its sync; None for none.
    """

    account: str
    name: str | None
    state: ConnectedState
    sync: str | None


@dataclass(frozen=True, slots=True)
class ConnectedSyncs:
    """What became of the accounts that were to get a sync.

    Attributes:
        created: The syncs that were created.
        present: Accounts that had one already.
        failed: Why accounts got none, by account.
    """

    created: tuple[SyncInfo, ...] = ()
    present: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


def list_connected_accounts(connections: Connections, sync: str) -> list[ConnectedAccount]:
    """The connected accounts of a platform, and which of them have a sync. Changes nothing.

    Args:
        connections: How to reach Stripe, warehouse and lake, with the platform's key.
        sync: Name of the platform's own sync; created if it does not exist.

    Returns:
        As Stripe lists them, newest first; then those that it does not list.

    Raises:
        PermissionDenied: The key may not list connected accounts (``rak_connected_account_read``).
        ConfigurationError: The sync itself is one of a connected account.
        StripeSyncError: Stripe or the warehouse cannot be reached, or the sync is not active.

    Example:
        >>> from stripe_sync import list_connected_accounts
        >>> list_connected_accounts(connections, "default")
        []
    """
    return asyncio.run(_list(connections, sync))


def sync_connected_accounts(
    connections: Connections, sync: str, accounts: Sequence[str] | None = None
) -> ConnectedSyncs:
    """Create a sync for each connected account that has none.

    It has the platform's key and, as far as they are stored with the platform's sync, its settings
    and collections; its cadence is adaptive unless the connection says otherwise. Nothing is
    backfilled yet. An account that another sync of the same mode stores is left alone, a paused or
    disconnected one too.

    Args:
        connections: How to reach Stripe, warehouse and lake, with the platform's key.
        sync: Name of the platform's own sync.
        accounts: ``acct_…`` of those that Stripe lists, or ``["all"]``; None for those that the
            setting ``connected_accounts`` names.

    Raises:
        PermissionDenied: The key may not list connected accounts (``rak_connected_account_read``).
        ConfigurationError: ``accounts`` names what is no account, or the sync itself is one of a
            connected account.
        StripeSyncError: Stripe or the warehouse cannot be reached, or the sync is not active.

    Example:
        >>> from stripe_sync import sync_connected_accounts
        >>> sync_connected_accounts(connections, "default", ["all"]).created
        ()
    """
    chosen = None if accounts is None else SyncSettings.parse({"connected_accounts": accounts})
    return asyncio.run(_sync(connections, sync, chosen))


def resume_if_connected(connections: Connections, sync: str) -> bool:
    """Resume a disconnected sync if its key has access to the account again.

    Args:
        connections: How to reach Stripe and the warehouse, with the sync's key.
        sync: Name of the sync.

    Returns:
        Whether it was resumed; False also for a sync that is not disconnected.

    Raises:
        SyncNotFound: There is none.
        StripeSyncError: Stripe or the warehouse cannot be reached.

    Example:
        >>> from stripe_sync import resume_if_connected
        >>> resume_if_connected(connections, "default")
        False
    """
    with open_warehouse(connections.warehouse_url) as warehouse:
        found = warehouse.syncs.get(sync)
        if found.status != "disconnected":
            return False
        own = connections.of_sync(found)
        try:
            identify_credential(
                own.credential, own.settings, warehouse_url=connections.warehouse_url
            )
        except AccountDisconnected:
            return False
        return warehouse.syncs.change(found, {"status": "active"})


def syncs_to_backfill(warehouse_url: str) -> list[SyncInfo]:
    """Active syncs whose first backfill is to be started, by name.

    Those that were created for a backfill which never began, and all of connected accounts that
    were never backfilled.

    Args:
        warehouse_url: The warehouse.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """
    with open_warehouse(warehouse_url) as warehouse:
        return [SyncInfo.of(sync) for sync in warehouse.syncs.never_backfilled()]


async def _list(connections: Connections, name: str) -> list[ConnectedAccount]:
    async with open_session(connections, name) as session:
        _refuse_connected(connections, session.sync)
        listed = await _listed(session)
        syncs = await asyncio.to_thread(session.warehouse.syncs.all)
    return list(_join(listed, syncs, session.sync))


async def _sync(connections: Connections, name: str, chosen: SyncSettings | None) -> ConnectedSyncs:
    async with open_session(connections, name) as session:
        _refuse_connected(connections, session.sync)
        wanted = (chosen or session.settings).connected_accounts
        if not wanted:
            return ConnectedSyncs()
        listed = await _listed(session)
        return await asyncio.to_thread(_create, session.warehouse, session.sync, wanted, listed)


def _refuse_connected(connections: Connections, sync: Sync) -> None:
    account = connections.of_sync(sync).credential.account
    if account is not None:
        message = (
            f"sync {sync.name} is one of the connected account {account}: name the sync of"
            " its platform"
        )
        raise ConfigurationError(message, param="sync")


async def _listed(session: Session) -> dict[str, Mapping[str, Any]]:
    """Stripe's list of the connected accounts, by id."""
    found: dict[str, Mapping[str, Any]] = {}
    async for page in paginate(session.context.requester, _ACCOUNTS):
        found |= {str(account["id"]): account for account in page.objects if id_of(account)}
    found.pop(session.sync.account_id, None)
    return found


def _join(
    listed: Mapping[str, Mapping[str, Any]], syncs: Collection[Sync], platform: Sync
) -> Iterator[ConnectedAccount]:
    own = _by_account(syncs, platform)
    for account, details in listed.items():
        sync = own.get(account)
        state = ConnectedState.SYNCED if sync else ConnectedState.NEW
        yield _connected(account, name_of(details), state, sync)
    for account, sync in own.items():
        if account not in listed and sync.connected_account and sync.conn_id == platform.conn_id:
            yield _connected(account, None, ConnectedState.UNLISTED, sync)


def _connected(
    account: str, name: str | None, state: ConnectedState, sync: Sync | None
) -> ConnectedAccount:
    if sync and sync.status == "disconnected":
        state = ConnectedState.DISCONNECTED
    return ConnectedAccount(account, name, state, sync.name if sync else None)


def _by_account(syncs: Collection[Sync], platform: Sync) -> dict[str, Sync]:
    """The syncs of the platform's mode by account; where there are several, the first by name."""
    found: dict[str, Sync] = {}
    for sync in syncs:
        if sync.livemode == platform.livemode and sync.id != platform.id:
            found.setdefault(sync.connected_account or sync.account_id, sync)
    return found


def _create(
    warehouse: Warehouse,
    platform: Sync,
    wanted: Sequence[str],
    listed: Mapping[str, Mapping[str, Any]],
) -> ConnectedSyncs:
    syncs = warehouse.syncs.all()
    names, own = {sync.name for sync in syncs}, _by_account(syncs, platform)
    created, present, failed = [], [], {}
    for account in listed if EVERY_ACCOUNT in wanted else wanted:
        if account in own:
            present.append(account)
            continue
        if account not in listed:
            failed[account] = (
                f"{account} is none of the connected accounts that Stripe lists for the platform:"
                " check id and mode"
            )
            continue
        name = connected_sync_name(platform.name, account, names)
        try:
            created.append(SyncInfo.of(_create_one(warehouse, platform, name, account)))
        except StripeSyncError as error:
            failed[account] = str(error)
        names.add(name)
    return ConnectedSyncs(tuple(created), tuple(present), failed)


def _create_one(warehouse: Warehouse, platform: Sync, name: str, account: str) -> Sync:
    columns = {
        "connected_account": account,
        "connection_id": platform.conn_id,
        "collections": None if platform.collections is None else [*platform.collections],
        "overrides": {
            name: value
            for name, value in platform.overrides.items()
            if name not in _OF_PLATFORM_ONLY
        },
    }
    return create_row(warehouse, name, livemode=platform.livemode, columns=columns)


def connected_sync_name(platform: str, account: str, taken: Collection[str] = ()) -> str:
    """Name of a connected account's sync: ``<platform>-acct_…`` in lower case.

    Args:
        platform: Name of the platform's sync.
        account: ``acct_…``.
        taken: Names of other accounts' syncs; ids of accounts may differ in case only.
    """
    suffix = f"-{account.lower()}"
    if f"{platform[: NAME_LENGTH - len(suffix)]}{suffix}" in taken:
        suffix += f"-{ids.fingerprint(account.encode()).hex[:6]}"
    return f"{platform[: NAME_LENGTH - len(suffix)]}{suffix}"
