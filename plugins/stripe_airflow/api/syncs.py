"""Routes of syncs. Each calls a function of ``stripe_sync``; FastAPI runs it in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Query, Request, Response

from stripe_airflow.api.credentials.models import NewCredential
from stripe_airflow.api.credentials.routes import import_key
from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.models import (
    BackfillRun,
    CreatedSync,
    NewSync,
    RateLimit,
    ReconcileRun,
    ReplicatedSync,
    ReplicateSync,
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
from stripe_airflow.api.routing import Route, page_of
from stripe_airflow.api.runs import trigger
from stripe_airflow.hooks.connections import connections_for, is_live_key
from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.runs.backfill import first_backfill
from stripe_sync import (
    ConfigurationError,
    StripeError,
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
    replicate_sync,
    resume_sync,
    sync_status,
    update_sync,
)

DELETE_SECONDS = 20.0
"""Longest time that one request deletes; the next one continues."""

MILLISECONDS_OF_POLLING = 500
"""Time from one poll to the next with the cadence ``fixed``."""

router = APIRouter(prefix="/v1/syncs", tags=["syncs"], route_class=Route)


@router.get("", dependencies=[READ])
def list_syncs(
    external_id: str | None = None,
    after_cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SyncList:
    """All syncs by name, page by page."""
    found = describe_syncs(warehouse_url(), external_id=external_id)
    page = page_of({sync.name: sync for sync in found}, after_cursor, limit)
    return SyncList(syncs=page.items, cursor=page.cursor, has_more=page.has_more)


@router.post("", status_code=201, dependencies=[MANAGE])
def create(body: NewSync, request: Request, user: GetUserDep) -> CreatedSync:
    """Create a sync and start its backfill; a key in the body is imported first."""
    if body.backfill:
        may_backfill(request, user)
    return create_with_backfill(body, user_name=user.get_name())


def create_with_backfill(body: NewSync, *, user_name: str) -> CreatedSync:
    """Create a sync, for a user whose rights were checked."""
    changes = _changes(body)
    if body.credential:
        _check_alone(body, changes)
        changes["connection_id"] = _imported(body.credential)
    livemode = _livemode(body, changes.get("connection_id"))
    sync = create_sync(
        warehouse_url(), body.name, livemode=livemode, backfill=body.backfill, **changes
    )
    run = None
    if body.backfill:
        first = first_backfill(sync)
        run = trigger(
            BACKFILL_DAG, first["conf"], user_name=user_name, run_id=first["trigger_run_id"]
        )
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


@router.post("/{sync_id}/replicate", dependencies=[MANAGE])
def replicate(
    sync_id: str, body: ReplicateSync, request: Request, user: GetUserDep
) -> ReplicatedSync:
    """Copy the collections, settings and metadata of a sync onto a live mode key.

    Checks first what the key may read. Run again, it brings over what has changed.
    """
    if body.backfill and not body.dry_run:
        may_backfill(request, user)
    return replicate_with_backfill(sync_id, body, user_name=user.get_name())


def replicate_with_backfill(sync_id: str, body: ReplicateSync, *, user_name: str) -> ReplicatedSync:
    """Replicate a sync, for a user whose rights were checked."""
    try:
        connections = connections_for(body.name, stripe_conn_id=body.connection_id)
    except ConfigurationError as error:
        error.param = error.param or "connection_id"
        raise
    done = replicate_sync(
        connections,
        sync_id,
        body.name,
        connection_id=body.connection_id,
        dry_run=body.dry_run,
        expected=body.expected,
    )
    run = None
    if body.backfill and done.is_applied and done.backfill:
        conf = {"sync": done.target, "collections": _short(done.backfill)}
        run = trigger(BACKFILL_DAG, conf, user_name=user_name, run_id=done.backfill_run_id)
    return ReplicatedSync(replication=done, run=run)


@router.get("/{sync_id}/status", dependencies=[READ])
def status(sync_id: str) -> SyncStatus:
    """The state of a sync: polling, problems, gaps, each collection."""
    return sync_status(warehouse_url(), sync_id)


@router.post("/{sync_id}/backfill", status_code=201, dependencies=[BACKFILL])
def backfill(sync_id: str, user: GetUserDep, body: BackfillRun | None = None) -> Run:
    """Trigger the DAG `stripe_backfill` for a sync."""
    return start_backfill(sync_id, body or BackfillRun(), user_name=user.get_name())


@router.post("/{sync_id}/reconcile", status_code=201, dependencies=[RECONCILE])
def reconcile(sync_id: str, user: GetUserDep, body: ReconcileRun | None = None) -> Run:
    """Trigger the DAG `stripe_reconcile` for a sync."""
    return start_reconcile(sync_id, body or ReconcileRun(), user_name=user.get_name())


def start_backfill(sync_id: str, body: BackfillRun, *, user_name: str) -> Run:
    """Trigger the DAG ``stripe_backfill``, for a user whose rights were checked."""
    sync = check_runnable(warehouse_url(), sync_id, body.collection_ids)
    conf = {
        "sync": sync.name,
        "collections": _short(body.collection_ids),
        "since": body.since and body.since.isoformat(),
        "full": body.full,
        "requests_per_second": body.requests_per_second,
    }
    return trigger(BACKFILL_DAG, conf, user_name=user_name)


def start_reconcile(sync_id: str, body: ReconcileRun, *, user_name: str) -> Run:
    """Trigger the DAG ``stripe_reconcile``, for a user whose rights were checked."""
    sync = check_runnable(warehouse_url(), sync_id, body.collection_ids)
    conf = {
        "sync": sync.name,
        "collections": _short(body.collection_ids),
        "window": body.window_days,
        "everything": body.everything,
    }
    return trigger(RECONCILE_DAG, conf, user_name=user_name)


def _changes(body: SyncUpdate) -> SyncChanges:
    """What a body names, null included.

    Raises:
        ConfigurationError: A value is named twice, or cannot be set.
    """
    changes: SyncChanges = {}
    given = body.model_fields_set
    if "collection_ids" in given:
        changes["collections"] = body.collection_ids
    if connections := {"connection_id", "credential_id"} & given:
        ids = {getattr(body, name) for name in connections}
        if len(ids) > 1:
            message = "credential_id and connection_id are the same: give one of them"
            raise ConfigurationError(message, param="credential_id")
        changes["connection_id"] = ids.pop()
    if "connected_account" in given:
        changes["connected_account"] = body.connected_account
    if settings := _settings(body):
        changes["settings"] = settings
    if "external_id" in given:
        changes["external_id"] = body.external_id
    if "metadata" in given:
        changes["metadata"] = body.metadata
    return changes


def _settings(body: SyncUpdate) -> dict[str, Any]:
    """The settings of a body, under their own names and as the fields that stand for some.

    Raises:
        ConfigurationError: A setting is named twice, or cannot be set.
    """
    settings, given = dict(body.settings), body.model_fields_set
    for field, values in (
        ("rate_limit", _rate(body.rate_limit)),
        ("max_age_days", {"max_age_days": body.max_age_days}),
        ("sync_frequency", _cadence(body.sync_frequency)),
    ):
        if field not in given:
            continue
        if twice := sorted(values.keys() & settings):
            message = f"{field} is the setting {twice[0]}: give one of them"
            raise ConfigurationError(message, param=field)
        settings |= values
    return settings


def _rate(limit: RateLimit | None) -> dict[str, Any]:
    names = "total_requests_per_second", "requests_per_second"
    if limit is None:
        return dict.fromkeys(names)
    if limit.max_concurrent_requests is not None:
        message = (
            "rate_limit.max_concurrent_requests cannot be set: as many requests are in flight as"
            " the rate needs; lower allowed_requests instead"
        )
        raise ConfigurationError(message, param="rate_limit.max_concurrent_requests")
    return dict.fromkeys(names, limit.allowed_requests * 1000 / limit.interval)


def _cadence(milliseconds: float | None) -> dict[str, Any]:
    if milliseconds is None:
        return {"cadence": None, "longest_poll_interval": None}
    if milliseconds <= MILLISECONDS_OF_POLLING:
        return {"cadence": "fixed", "longest_poll_interval": None}
    return {"cadence": "adaptive", "longest_poll_interval": milliseconds / 1000}


def _imported(credential: NewCredential) -> str:
    """Import the key in the body of a new sync; returns the id of its connection.

    Raises:
        ApiError: As ``import_key``; ``param`` begins with ``credential.``.
        StripeSyncError: The same.
    """
    try:
        return import_key(credential)[0].id
    except (ApiError, ConfigurationError, StripeError) as error:
        error.param = error.param and f"credential.{error.param}"
        raise


def _check_alone(body: NewSync, changes: SyncChanges) -> None:
    """Refuse a body that names another connection besides the key that it has.

    Raises:
        ConfigurationError: It does.
    """
    if changes.get("connection_id") is not None:
        name = "credential_id" if body.credential_id is not None else "connection_id"
        message = f"give credential or {name}, not both"
        raise ConfigurationError(message, param=name)


def _livemode(body: NewSync, connection_id: str | None) -> bool:
    """Mode of a new sync: that of its key, or the given one as long as there is no key.

    Raises:
        ConfigurationError: Both differ, or there is neither.
    """
    livemode = is_live_key(body.name, connection_id)
    if livemode is None:
        if body.test is None or body.backfill:
            message = (
                "there is no such connection: create it first, or give test and backfill=false"
            )
            raise ConfigurationError(message, param="connection_id")
        return not body.test
    if body.test is not None and body.test == livemode:
        message = "the key of the connection is of the other mode"
        raise ConfigurationError(message, param="test")
    return livemode


def _short(collection_ids: Sequence[str]) -> list[str]:
    return [name.removeprefix("stripe:").removeprefix("stripe.") for name in collection_ids]
