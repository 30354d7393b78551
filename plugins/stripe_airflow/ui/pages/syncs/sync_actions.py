"""What people do with a sync on its page: start runs, pause, resume, change settings."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from stripe_airflow.api import syncs
from stripe_airflow.api.models import BackfillRun, ReconcileRun, Run
from stripe_airflow.api.rights import BACKFILL, MANAGE, RECONCILE
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.forms import Sent
from stripe_airflow.ui.pages.syncs.sync import forget_sync
from stripe_airflow.ui.pages.syncs.sync_settings import SettingsForm
from stripe_airflow.ui.pages.syncs.sync_state import catalog_of
from stripe_airflow.ui.rendering import Links, render, segment
from stripe_airflow.ui.routing import page_router
from stripe_airflow.ui.viewer import CurrentViewer
from stripe_sync import ConfigurationError, SyncInfo, get_sync

router = page_router()


Body = TypeVar("Body", bound=BaseModel)


@router.post("/syncs/{sync_id}/backfill", dependencies=[BACKFILL])
def backfill(sync_id: str, request: Request, viewer: CurrentViewer, sent: Sent) -> Response:
    """Start a backfill."""
    body = _body(BackfillRun, sent)
    return _started(request, syncs.start_backfill(sync_id, body, user_name=viewer.name))


@router.post("/syncs/{sync_id}/reconcile", dependencies=[RECONCILE])
def reconcile(sync_id: str, request: Request, viewer: CurrentViewer, sent: Sent) -> Response:
    """Start a reconcile."""
    body = _body(ReconcileRun, sent)
    return _started(request, syncs.start_reconcile(sync_id, body, user_name=viewer.name))


@router.post("/syncs/{sync_id}/pause", dependencies=[MANAGE])
def pause(sync_id: str, request: Request, _viewer: CurrentViewer) -> Response:
    """Send no more requests for it."""
    return _page_of(request, syncs.pause(sync_id))


@router.post("/syncs/{sync_id}/resume", dependencies=[MANAGE])
def resume(sync_id: str, request: Request, _viewer: CurrentViewer) -> Response:
    """Let it go on."""
    return _page_of(request, syncs.resume(sync_id))


@router.post("/syncs/{sync_id}/settings", dependencies=[MANAGE])
def settings(sync_id: str, request: Request, _viewer: CurrentViewer, sent: Sent) -> Response:
    """Change settings; with an error the form again, with the message beside its field."""
    sync, form = get_sync(warehouse_url(), sync_id), SettingsForm.sent(sent)
    try:
        if form.has_no_collection:
            message = "choose at least one collection, or all"
            raise ConfigurationError(message, param="collections")
        return _page_of(request, syncs.update(sync_id, form.changes(sync)))
    except ValidationError as error:
        form = form.with_errors(error)
    except ConfigurationError as error:
        form = form.with_error(str(error), error.param)
    return render(
        request,
        "sync_settings.html",
        status_code=400,
        form=form,
        sync=sync,
        catalog=catalog_of(sync),
    )


def _body(model: type[Body], sent: FormData) -> Body:
    """A form as the body of the same request over HTTP; a field that is empty is left out.

    Raises:
        RequestValidationError: A value is invalid.
    """
    given: dict[str, Any] = {name: value for name, value in sent.items() if value != ""}
    if "collection_ids" in sent:
        given["collection_ids"] = sent.getlist("collection_ids")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def _started(request: Request, run: Run) -> Response:
    forget_sync()
    return render(request, "run_started.html", run=run)


def _page_of(request: Request, sync: SyncInfo) -> Response:
    """Load the page of a sync that was changed again."""
    forget_sync()
    page = Links(request).page(f"/syncs/{segment(sync.name)}")
    return Response(status_code=204, headers={"Stripe-Go": page})
