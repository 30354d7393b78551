"""The task of the DAG stripe_sync_admin."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pprint import pformat
from typing import TYPE_CHECKING, Any

from stripe_airflow.hooks.connections import is_live_key, stripe_conn_id_of
from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.runs.backfill import first_backfill
from stripe_sync import ConfigurationError, SyncConflict

if TYPE_CHECKING:
    from stripe_airflow.runs.backfill import Trigger
    from stripe_sync import SyncChanges, SyncInfo

log = logging.getLogger(__name__)


def run_action(
    params: Mapping[str, Any], *, is_retry: bool = False
) -> tuple[list[Trigger], dict[str, Any]]:
    """Do to a sync what the form says.

    Args:
        params: The DAG's parameters: action, sync, live, backfill, collections, settings,
            connection_id, connected_account, external_id, metadata, drop_data, confirm.
        is_retry: Whether the task may have created the sync before, and was killed then.

    Returns:
        Arguments of the task that triggers the backfill: one dict, or none if nothing is to be
        backfilled; and the sync, or what was deleted, as JSON.

    Raises:
        ConfigurationError: A value is invalid, or the name was not repeated.
        StripeSyncError: As the function of ``stripe_sync`` raises it.
    """
    from pydantic import TypeAdapter

    from stripe_sync import pause_sync, resume_sync, update_sync

    sync, url = params["sync"], warehouse_url()
    runs: list[Trigger] = []
    done: object
    match params["action"]:
        case "create":
            runs, done = _create(params, url, is_retry=is_retry)
        case "update":
            done = update_sync(url, sync, **_changes(params))
        case "pause":
            done = pause_sync(url, sync)
        case "resume":
            done = resume_sync(url, sync)
        case _:
            done = _delete(params, url)
    json: dict[str, Any] = TypeAdapter(Any).dump_python(done, mode="json")
    log.info("Done: %s of sync %s\n%s", params["action"], sync, pformat(json, sort_dicts=False))
    return runs, json


def _create(
    params: Mapping[str, Any], url: str, *, is_retry: bool
) -> tuple[list[Trigger], SyncInfo]:
    """The new sync, and the run of its backfill; none where its connection is still to be made."""
    from stripe_sync import create_sync, syncs_to_backfill

    sync, live = params["sync"], params["live"]
    livemode = is_live_key(sync, params["connection_id"])
    if livemode is None and params["connection_id"]:
        message = (
            "there is no such connection: create it first, or leave the field Connection empty"
        )
        raise ConfigurationError(message, param="connection_id")
    if livemode is not None and livemode != live:
        message = (
            f"the key of its connection is a {'live' if livemode else 'test'} mode key:"
            f" turn Live mode {'on' if livemode else 'off'}"
        )
        raise ConfigurationError(message, param="live")
    backfill = params["backfill"] and livemode is not None
    try:
        created = create_sync(url, sync, livemode=live, backfill=backfill, **_changes(params))
    except SyncConflict:
        waiting = {each.name: each for each in syncs_to_backfill(url)} if is_retry else {}
        if sync not in waiting:
            raise
        created = waiting[sync]
    if not params["backfill"]:
        return [], created
    if livemode is None:
        log.warning(
            "No backfill was started, because there is no connection %s with a Stripe key yet:"
            " create it, then trigger stripe_backfill for sync %s",
            stripe_conn_id_of(sync),
            sync,
        )
        return [], created
    return [first_backfill(created)], created


def _delete(params: Mapping[str, Any], url: str) -> object:
    from stripe_sync import delete_sync

    sync, drop_data = params["sync"], params["drop_data"]
    if params["confirm"] != sync:
        message = "nothing was deleted: repeat the name of the sync in the field Confirm"
        raise ConfigurationError(message)
    lake_url = StripeLakeHook().get_conn() if drop_data else None
    return delete_sync(url, sync, keep_data=not drop_data, lake_url=lake_url)


def _changes(params: Mapping[str, Any]) -> SyncChanges:
    """What the form names; an empty field leaves things as they are."""
    changes: SyncChanges = {}
    if params["collections"]:
        changes["collections"] = params["collections"]
    if params["settings"]:
        changes["settings"] = params["settings"]
    if params["metadata"]:
        changes["metadata"] = params["metadata"]
    if params["connection_id"]:
        changes["connection_id"] = params["connection_id"]
    if params["connected_account"]:
        changes["connected_account"] = params["connected_account"]
    if params["external_id"]:
        changes["external_id"] = params["external_id"]
    return changes
