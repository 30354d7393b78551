"""The page of a sync: how it stands, its collections, its plots."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response

from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.airflow_state import airflow_state
from stripe_airflow.ui.known_syncs import forget_syncs
from stripe_airflow.ui.live import render_changed, render_whole
from stripe_airflow.ui.pages.syncs.overview import all_cards, forget_cards
from stripe_airflow.ui.pages.syncs.sync_cards import Card, freshness_summary
from stripe_airflow.ui.pages.syncs.sync_settings import SettingsForm
from stripe_airflow.ui.pages.syncs.sync_state import (
    STATES,
    backfill_progress,
    catalog_of,
    collection_rows,
    eta_text,
    midnight,
    reads_summary,
    requests_summary,
    running_totals,
    with_begun_period,
)
from stripe_airflow.ui.routing import page_router
from stripe_airflow.ui.shared import once_a_second
from stripe_airflow.ui.viewer import CurrentViewer, Viewer
from stripe_sync import SyncActivity, SyncStatus, sync_activity, sync_status

router = page_router()


@router.get("/syncs/{sync_id}")
def sync_page(sync_id: str, request: Request, viewer: CurrentViewer) -> Response:
    """One sync, by its name or id."""
    values = _state(sync_id, viewer)
    return render_whole(
        request,
        "sync.html",
        **values,
        **_plots(sync_id),
        states=STATES,
        catalog=catalog_of(values["sync"]),
        form=SettingsForm.of(values["sync"]),
    )


@router.get("/syncs/{sync_id}/changes")
def changes(sync_id: str, request: Request, viewer: CurrentViewer) -> Response:
    """The parts of the page that have changed, all but the plots."""
    return render_changed(request, "sync_changes.html", **_state(sync_id, viewer))


@router.get("/syncs/{sync_id}/plots")
def plots(sync_id: str, request: Request, _viewer: CurrentViewer) -> Response:
    """The plots that have changed."""
    return render_changed(request, "sync_plots_changes.html", **_plots(sync_id))


def forget_sync() -> None:
    """Look at the syncs anew, because one was changed."""
    forget_syncs()
    forget_cards()
    airflow_state.forget()
    _status.forget()
    _activity.forget()


def _state(sync_id: str, viewer: Viewer) -> dict[str, Any]:
    status = _status(warehouse_url(), sync_id)
    rows = collection_rows(status)
    return {
        "viewer": viewer,
        "status": status,
        "sync": status.sync,
        "card": _card(status),
        "rows": rows,
        "progress_of_backfill": backfill_progress(rows),
        "eta_text": eta_text,
        "airflow": airflow_state(),
        "forbidden": [row for row in rows if row.state and row.word == "no permission"],
    }


def _card(status: SyncStatus) -> Card | None:
    """How the sync stands among all; None if it was created within the last second."""
    return next((card for card in all_cards() if card.sync.id == status.sync.id), None)


def _plots(sync_id: str) -> dict[str, Any]:
    activity = _activity(warehouse_url(), sync_id)
    return {
        "activity": activity,
        "freshness_summary": freshness_summary(activity.freshness),
        "requests_summary": requests_summary(activity),
        "reads_summary": reads_summary(activity),
        "running_totals": running_totals(activity),
        "midnight": midnight,
    }


@once_a_second
def _status(warehouse: str, sync_id: str) -> SyncStatus:
    return sync_status(warehouse, sync_id)


@once_a_second
def _activity(warehouse: str, sync_id: str) -> SyncActivity:
    return with_begun_period(sync_activity(warehouse, sync_id), datetime.now(UTC))
