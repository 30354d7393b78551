"""The first page: a card for each sync."""

from __future__ import annotations

from fastapi import Request, Response

from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.rendering import render
from stripe_airflow.ui.routing import page_router
from stripe_airflow.ui.shared import once_a_second
from stripe_airflow.ui.viewer import CurrentViewer
from stripe_sync import SyncInfo, describe_syncs

router = page_router()


@router.get("")
def overview(request: Request, viewer: CurrentViewer) -> Response:
    """All syncs."""
    return render(request, "overview.html", viewer=viewer, syncs=_syncs())


@once_a_second
def _syncs() -> list[SyncInfo]:
    return describe_syncs(warehouse_url())
