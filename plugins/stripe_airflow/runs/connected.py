"""Connected accounts of Connect platforms get syncs, and new syncs their first backfill."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stripe_airflow.hooks.connections import SyncConnections
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.pools import BACKFILL_POOL
from stripe_airflow.runs.backfill import Trigger, backfill_trigger, first_backfill
from stripe_sync import ConfigurationError

if TYPE_CHECKING:
    from stripe_sync import SyncInfo

log = logging.getLogger(__name__)

TRIGGER_KWARGS: dict[str, Any] = {
    "pool": BACKFILL_POOL,
    "trigger_dag_id": "stripe_backfill",
    "skip_when_already_exists": True,
    "logical_date": None,
    "map_index_template": "{{ task.conf['sync'] }}",
}
"""Arguments of the tasks that trigger a backfill, one for each sync."""


def connect_accounts(params: Mapping[str, Any]) -> tuple[list[Trigger], dict[str, str]]:
    """Create syncs for new connected accounts, resume those that have access again.

    Of any sync the first backfill is started, if whoever created it for one did not come so far.
    Runs of chosen collections, windows or everything leave the accounts alone.

    Args:
        params: The DAG's parameters: sync (None for all), collections, window, everything.

    Returns:
        The backfills to trigger, and by name of the sync the errors.

    Raises:
        WarehouseError: The list of syncs cannot be read.
    """
    from stripe_sync import describe_syncs, syncs_to_backfill

    if params["collections"] or params["window"] or params["everything"]:
        return [], {}
    url, connections = warehouse_url(), SyncConnections()
    failed: dict[str, str] = {}
    resumed = []
    for sync in _chosen(describe_syncs(url), params["sync"]):
        try:
            if sync.status == "disconnected":
                resumed += _resume(connections, sync)
            elif sync.status == "active" and not sync.connected_account:
                _connect(connections, sync.name)
        except Exception as error:
            # Whatever it is, it concerns this sync only.
            log.exception("The connected accounts of sync %s are left as they are", sync.name)
            failed[sync.name] = str(error)
    new = [first_backfill(sync) for sync in _chosen(syncs_to_backfill(url), params["sync"])]
    return [*new, *resumed], failed


def _chosen(syncs: Sequence[SyncInfo], name: str | None) -> list[SyncInfo]:
    """All syncs, or the one with a name and those of its connected accounts."""
    if name is None:
        return [*syncs]
    key = next((s.conn_id for s in syncs if s.name == name), None)
    return [s for s in syncs if s.name == name or (s.connected_account and s.connection_id == key)]


def _connect(connections: SyncConnections, platform: str) -> None:
    """Create the syncs of a platform's new accounts.

    Raises:
        ConfigurationError: Not every account got one.
    """
    from stripe_sync import sync_connected_accounts, sync_settings

    found = connections(platform)
    if not sync_settings(found, platform).connected_accounts:
        return
    done = sync_connected_accounts(found, platform)
    for sync in done.created:
        log.info("New connected account %s: sync %s", sync.connected_account, sync.name)
    if done.failed:
        raise ConfigurationError("; ".join(f"{name}: {why}" for name, why in done.failed.items()))


def _resume(connections: SyncConnections, sync: SyncInfo) -> list[Trigger]:
    """Resume a sync that has access again; returns the backfill of what was left unfinished."""
    from stripe_sync import get_sync, resume_if_connected, status

    found = connections(sync.name)
    if not resume_if_connected(found, sync.name):
        return []
    log.info("Sync %s has access to its account again", sync.name)
    states = status(found, sync.name)
    unfinished = [state.collection for state in states if state.status.is_unfinished]
    resumed_at = get_sync(warehouse_url(), sync.name).updated_at
    if not unfinished:
        return []
    return [backfill_trigger("resumed", sync.name, resumed_at, unfinished)]
