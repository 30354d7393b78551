"""Which sync is for the account of a key, where nobody has named one."""

from __future__ import annotations

from stripe_sync.client import Credential
from stripe_sync.lake import Lake, LakeReader
from stripe_sync.records import ids
from stripe_sync.sync.account_check import key_fingerprint
from stripe_sync.sync.connections import Connections
from stripe_sync.warehouse import Sync, Warehouse
from stripe_sync.warehouse.warehouse import open_warehouse

_DEFAULT = "default"


def choose_sync(connections: Connections, account_id: str | None) -> str:
    """The sync for the account of a key: the one that stores it, or the name of a new one.

    ``default`` is the name of the first; later ones have the account and the mode as theirs.

    Args:
        connections: The key, the warehouse and the lake. Stripe is not asked.
        account_id: The key's account; None where it cannot be learnt.

    Raises:
        WarehouseError: The warehouse cannot be reached.
        LakeError: The lake cannot be read.

    Example:
        >>> from stripe_sync import choose_sync
        >>> choose_sync(connections, "acct_1Another")
        'acct_1another-test'
    """
    with open_warehouse(connections.warehouse_url) as warehouse:
        default = warehouse.syncs.find(_DEFAULT)
        if default is None:
            fits = _is_free(warehouse, connections, account_id)
        else:
            fits = _may_store(default, connections.credential, account_id)
    if fits:
        return _DEFAULT
    return f"{_account_name(connections.credential, account_id)}-{_mode(connections.credential)}"


def _may_store(sync: Sync, credential: Credential, account_id: str | None) -> bool:
    """Whether it has this account; one that is unknown is compared by objects when it runs."""
    if sync.livemode != credential.livemode or sync.status == "deleting":
        return False
    is_known = account_id is not None and sync.account_id.startswith("acct_")
    return sync.account_id == account_id or not is_known


def _is_free(warehouse: Warehouse, connections: Connections, account_id: str | None) -> bool:
    """Whether neither warehouse nor lake have data of another account under the name."""
    if warehouse.syncs.has_rows(_DEFAULT):
        return False
    owner = LakeReader(Lake(connections.lake_url, _DEFAULT)).owner()
    if owner is None or account_id is None:
        return True
    livemode = connections.credential.livemode
    return owner.resource_id == ids.resource_id(account_id, livemode=livemode)


def _account_name(credential: Credential, account_id: str | None) -> str:
    if account_id is None:
        return f"key-{key_fingerprint(credential).hex[:8]}"
    return account_id.lower()


def _mode(credential: Credential) -> str:
    return "live" if credential.livemode else "test"
