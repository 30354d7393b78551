"""Replicate to live: copy a sync onto a live mode key, after a look at the difference."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import orjson
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Form, Query, Request, Response
from pydantic import ValidationError

from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.models import ReplicateSync
from stripe_airflow.api.rights import MANAGE, may_backfill
from stripe_airflow.api.syncs import replicate_with_backfill
from stripe_airflow.ui import keys
from stripe_airflow.ui.forms import PageForm, in_words
from stripe_airflow.ui.known_syncs import all_syncs
from stripe_airflow.ui.pages.syncs.sync import forget_sync
from stripe_airflow.ui.rendering import render, segment
from stripe_airflow.ui.routing import go, page_router
from stripe_airflow.ui.viewer import CurrentViewer
from stripe_sync import Replication, SyncInfo, SyncNotFound

router = page_router()

_ENDINGS = ("-test", "_test", "-sandbox", "_sandbox")
_OTHER_MODE = (
    "this is a test mode key, and a sync is replicated to live mode: paste a live mode key, which"
    " begins with rk_live_ or sk_live_"
)

_PATH = "/syncs/{sync_id}/replicate"


class TargetForm(PageForm):
    """Where to copy the sync to."""

    name: str
    credential: str | None = None
    expected: UUID | None = None
    backfill: bool = False


@router.get(_PATH)
def show(
    request: Request,
    viewer: CurrentViewer,
    sync_id: str,
    credential: Annotated[str | None, Query(max_length=250)] = None,
    name: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """The form: to which key, under which name."""
    syncs = {each.name: each for each in all_syncs().values()}
    found = (each for each in syncs.values() if sync_id.lower() in (each.name, str(each.id)))
    source = next(found, None)
    if source is None:
        raise SyncNotFound(sync_id)
    name = name or live_name(source, syncs)
    target = syncs.get(name)
    may = not viewer.manage
    return render(
        request,
        "replicate.html",
        viewer=viewer,
        source=source,
        name=name,
        target=target,
        targets=[each for each in syncs.values() if each.livemode and each.name != source.name],
        keys=[each for each in keys.known_keys() if each.test is False] if may else [],
        credential=credential or (target.conn_id if target else None),
        api_base=keys.usual_api_base() if may else "",
    )


@router.post(f"{_PATH}/key", dependencies=[MANAGE])
def import_live_key(
    request: Request,
    sync_id: str,
    form: Annotated[keys.KeyForm, Form()],
    target: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Store the live mode key that was pasted, and go on with it."""
    try:
        credential_id = keys.store_key(form, test=False, other_mode=_OTHER_MODE)
    except ApiError as error:
        return keys.ask_to_replace(request, error)
    path = f"/syncs/{segment(sync_id)}/replicate"
    return go(request, path, credential=credential_id, name=target)


@router.post(f"{_PATH}/difference", dependencies=[MANAGE])
def show_difference(
    request: Request, viewer: CurrentViewer, sync_id: str, form: Annotated[TargetForm, Form()]
) -> Response:
    """What a replication would change, and what the key may not read."""
    body = _replicate_sync(form, dry_run=True)
    found = replicate_with_backfill(sync_id, body, user_name=viewer.name).replication
    return render(
        request,
        "replicate_difference.html",
        viewer=viewer,
        found=found,
        changes=_changes(found),
        sync_id=sync_id,
        credential=form.credential,
    )


@router.post(_PATH, dependencies=[MANAGE])
def replicate(
    request: Request, user: GetUserDep, sync_id: str, form: Annotated[TargetForm, Form()]
) -> Response:
    """Replicate, start the backfill that is needed, and go to the live mode sync's page."""
    if form.backfill:
        may_backfill(request, user)
    body = _replicate_sync(form, dry_run=False)
    try:
        done = replicate_with_backfill(sync_id, body, user_name=user.get_name())
    finally:
        forget_sync()
    return go(request, f"/syncs/{segment(done.replication.target)}")


def live_name(source: SyncInfo, syncs: dict[str, SyncInfo]) -> str:
    """The name that a live mode sync made from another one gets: ``shop`` for ``shop-test``.

    Args:
        source: The sync that is copied.
        syncs: All syncs by name; one in live mode that has the name was made like this before.
    """
    name = source.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    is_free = name != source.name and (name not in syncs or syncs[name].livemode)
    return name if name and is_free else f"{source.name}-live"


def _replicate_sync(form: TargetForm, *, dry_run: bool) -> ReplicateSync:
    """The body of ``POST /v1/syncs/{sync_id}/replicate``.

    Raises:
        ConfigurationError: The name is none.
    """
    try:
        return ReplicateSync(
            name=form.name,
            connection_id=form.credential or None,
            dry_run=dry_run,
            expected=form.expected,
            backfill=form.backfill,
        )
    except ValidationError as error:
        raise in_words(error) from None


def _changes(found: Replication) -> list[tuple[str, str, str]]:
    """Field, old and new value of each difference, as text."""
    return [(each.field, _text(each.old), _text(each.new)) for each in found.changes]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
