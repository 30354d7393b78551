"""The first page: a card for each sync, those that need attention first."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request, Response

from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.airflow_state import airflow_state
from stripe_airflow.ui.live import render_changed, render_whole, seen_by, version_of
from stripe_airflow.ui.pages.syncs.sync_cards import Card, sorted_cards
from stripe_airflow.ui.routing import page_router
from stripe_airflow.ui.shared import once_a_second
from stripe_airflow.ui.viewer import CurrentViewer
from stripe_sync import describe_overview

router = page_router()


@router.get("")
def overview(request: Request, viewer: CurrentViewer) -> Response:
    """All syncs."""
    cards = all_cards()
    version = _list_version(cards)
    values = {"viewer": viewer, "cards": cards, "airflow": airflow_state()}
    return render_whole(request, "overview.html", list_version=version, **values)


@router.get("/overview-changes")
def changes(request: Request, _viewer: CurrentViewer) -> Response:
    """The cards that have changed; all if a sync came, went or has another place."""
    cards = all_cards()
    version = _list_version(cards)
    values = {"cards": cards, "airflow": airflow_state()}
    if version in seen_by(request):
        return render_changed(request, "overview_changes.html", **values)
    return render_whole(
        request, "overview_list.html", list_version=version, is_answer=True, **values
    )


def all_cards() -> Sequence[Card]:
    """All syncs, those that need attention first."""
    return _cards(warehouse_url())


def forget_cards() -> None:
    """Look at the syncs anew, because one was changed."""
    _cards.forget()


@once_a_second
def _cards(warehouse: str) -> Sequence[Card]:
    return sorted_cards(describe_overview(warehouse))


def _list_version(cards: Sequence[Card]) -> str:
    return version_of(" ".join(card.sync.name for card in cards))
