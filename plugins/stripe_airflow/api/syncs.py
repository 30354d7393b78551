"""Routes of syncs. Each calls a function of ``stripe_sync``; FastAPI runs it in a thread."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import APIRouter, Query, Request, Response

from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.models import (
    BackfillRun,
    CreatedSync,
    NewSync,
    ReconcileRun,
    Run,
    SyncList,
    SyncUpdate,
)
from stripe_airflow.api.rights import (
    BACKFILL,
    BACKFILL_DAG,
    MANAGE,
    READ,
    RECONCILE,
    RECONCILE_DAG,
    may_backfill,
)
from stripe_airflow.api.routing import Route
from stripe_airflow.api.runs import trigger
from stripe_airflow.hooks.connections import stripe_conn_id_of
from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.stripe import StripeHook
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import (
    ConfigurationError,
    SyncChanges,
    SyncDeletion,
    SyncInfo,
    SyncStatus,
    check_runnable,
    create_sync,
    delete_sync,
    describe_syncs,
    get_sync,
    pause_sync,
    resume_sync,
    sync_status,
    update_sync,
)

DELETE_SECONDS = 20.0
"""Longest time that one request deletes; the next one continues."""

router = APIRouter(prefix="/v1/syncs", tags=["syncs"], route_class=Route)


@router.get("", dependencies=[READ])
def list_syncs(
    external_id: str | None = None,
    after_cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SyncList:
    """All syncs by name, page by page."""
    after = _name_of(after_cursor)
    found = describe_syncs(warehouse_url(), external_id=external_id)
    rest = sorted((s for s in found if s.name > after), key=lambda sync: sync.name)
    page = rest[:limit]
    cursor = _cursor_of(page[-1].name) if page else after_cursor
    return SyncList(syncs=page, cursor=cursor, has_more=len(rest) > limit)


@router.post("", status_code=201, dependencies=[MANAGE])
def create(body: NewSync, request: Request, user: GetUserDep) -> CreatedSync:
    """Create a sync and start its backfill."""
    if body.backfill:
        may_backfill(request, user)
    changes = _changes(body)
    sync = create_sync(warehouse_url(), body.name, livemode=_livemode(body), **changes)
    run = None
    if body.backfill:
        run = trigger(BACKFILL_DAG, {"sync": sync.name}, user_name=user.get_name())
    return CreatedSync(sync=sync, run=run)


@router.get("/{sync_id}", dependencies=[READ])
def read(sync_id: str) -> SyncInfo:
    """One sync, by its name or id."""
    return get_sync(warehouse_url(), sync_id)


@router.patch("/{sync_id}", dependencies=[MANAGE])
def update(sync_id: str, body: SyncUpdate) -> SyncInfo:
    """Change a sync."""
    return update_sync(warehouse_url(), sync_id, **_changes(body))


@router.delete("/{sync_id}", dependencies=[MANAGE])
def delete(sync_id: str, response: Response, *, keep_data: bool = True) -> SyncDeletion:
    """Delete a sync; with `keep_data=false` also its records, change events and lake files.

    Status 202 means that more is left: send the request again.
    """
    done = delete_sync(
        warehouse_url(),
        sync_id,
        keep_data=keep_data,
        lake_url=None if keep_data else StripeLakeHook().get_conn(),
        seconds=DELETE_SECONDS,
    )
    response.status_code = 200 if done.is_done else 202
    return done


@router.post("/{sync_id}/pause", dependencies=[MANAGE])
def pause(sync_id: str) -> SyncInfo:
    """Send no more requests to Stripe for a sync."""
    return pause_sync(warehouse_url(), sync_id)


@router.post("/{sync_id}/resume", dependencies=[MANAGE])
def resume(sync_id: str) -> SyncInfo:
    """Let a paused sync go on."""
    return resume_sync(warehouse_url(), sync_id)


@router.get("/{sync_id}/status", dependencies=[READ])
def status(sync_id: str) -> SyncStatus:
    """The state of a sync: polling, problems, gaps, each collection."""
    return sync_status(warehouse_url(), sync_id)


@router.post("/{sync_id}/backfill", status_code=201, dependencies=[BACKFILL])
def backfill(sync_id: str, user: GetUserDep, body: BackfillRun | None = None) -> Run:
    """Trigger the DAG `stripe_backfill` for a sync."""
    body = body or BackfillRun()
    sync = check_runnable(warehouse_url(), sync_id, body.collection_ids)
    conf = {
        "sync": sync.name,
        "collections": _short(body.collection_ids),
        "since": body.since and body.since.isoformat(),
        "full": body.full,
        "requests_per_second": body.requests_per_second,
    }
    return trigger(BACKFILL_DAG, conf, user_name=user.get_name())


@router.post("/{sync_id}/reconcile", status_code=201, dependencies=[RECONCILE])
def reconcile(sync_id: str, user: GetUserDep, body: ReconcileRun | None = None) -> Run:
    """Trigger the DAG `stripe_reconcile` for a sync."""
    body = body or ReconcileRun()
    sync = check_runnable(warehouse_url(), sync_id, body.collection_ids)
    conf = {
        "sync": sync.name,
        "collections": _short(body.collection_ids),
        "window": body.window_days,
        "everything": body.everything,
    }
    return trigger(RECONCILE_DAG, conf, user_name=user.get_name())


def _changes(body: SyncUpdate) -> SyncChanges:
    """What a body names, null included."""
    changes: SyncChanges = {}
    given = body.model_fields_set
    if "collection_ids" in given:
        changes["collections"] = body.collection_ids
    if "connection_id" in given:
        changes["connection_id"] = body.connection_id
    if "connected_account" in given:
        changes["connected_account"] = body.connected_account
    if "settings" in given:
        changes["settings"] = body.settings
    if "external_id" in given:
        changes["external_id"] = body.external_id
    if "metadata" in given:
        changes["metadata"] = body.metadata
    return changes


def _livemode(body: NewSync) -> bool:
    """Mode of a new sync: that of its key, or the given one as long as there is no key.

    Raises:
        ConfigurationError: Both differ, or there is neither.
    """
    try:
        hook = StripeHook(body.connection_id or stripe_conn_id_of(body.name))
        livemode = hook.get_conn().livemode
    except AirflowNotFoundException as error:
        if body.test is None or body.backfill:
            message = (
                "there is no such connection: create it first, or give test and backfill=false"
            )
            raise ConfigurationError(message, param="connection_id") from error
        return not body.test
    if body.test is not None and body.test == livemode:
        message = "the key of the connection is of the other mode"
        raise ConfigurationError(message, param="test")
    return livemode


def _short(collection_ids: list[str]) -> list[str]:
    return [name.removeprefix("stripe:").removeprefix("stripe.") for name in collection_ids]


def _cursor_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _name_of(cursor: str | None) -> str:
    """The name that a page ended with.

    Raises:
        ApiError: The cursor is none of ours.
    """
    if cursor is None:
        return ""
    try:
        name = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        name = ""
    if not name or _cursor_of(name) != cursor:
        message = "after_cursor: this is no cursor of an earlier page"
        raise ApiError(400, "parameter_invalid", message, param="after_cursor")
    return name
