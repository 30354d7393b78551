"""The task of the DAG stripe_sync_admin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import ConfigurationError

if TYPE_CHECKING:
    from stripe_sync import SyncChanges


def run_action(params: Mapping[str, Any]) -> dict[str, Any]:
    """Do to a sync what the form says.

    Args:
        params: The DAG's parameters: action, sync, live, collections, settings, connection_id,
            connected_account, external_id, metadata, drop_data, confirm.

    Returns:
        The sync, or what was deleted, as JSON.

    Raises:
        ConfigurationError: A value is invalid, or the name was not repeated.
        StripeSyncError: As the function of ``stripe_sync`` raises it.
    """
    from pydantic import TypeAdapter

    json: dict[str, Any] = TypeAdapter(Any).dump_python(_run(params), mode="json")
    return json


def _run(params: Mapping[str, Any]) -> object:
    from stripe_sync import create_sync, pause_sync, resume_sync, update_sync

    action, sync, url = params["action"], params["sync"], warehouse_url()
    match action:
        case "create":
            return create_sync(url, sync, livemode=params["live"], **_changes(params))
        case "update":
            return update_sync(url, sync, **_changes(params))
        case "pause":
            return pause_sync(url, sync)
        case "resume":
            return resume_sync(url, sync)
        case _:
            return _delete(params, url)


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
