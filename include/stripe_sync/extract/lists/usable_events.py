"""Which items of a page of Stripe events can be processed; the others are set aside."""

from __future__ import annotations

from typing import Any

from stripe_sync.catalog import STRIPE_EVENTS
from stripe_sync.clock import is_moment
from stripe_sync.extract.pagination import ListPage, id_of
from stripe_sync.extract.requester import Requester
from stripe_sync.records import ids
from stripe_sync.records.canonical_json import JsonObject


def usable_events(requester: Requester, page: ListPage) -> list[JsonObject]:
    """The Stripe events of a page that can be processed; the others are set aside."""
    usable = []
    for event in page.objects:
        if problem := problem_of_event(event):
            requester.set_aside.add(STRIPE_EVENTS, event, problem, observed_at=page.observed_at)
        else:
            usable.append(event)
    return usable


def problem_of_event(event: Any) -> str | None:
    """Why a Stripe event cannot be processed; None where it can."""
    name = id_of(event)
    if name is None or not ids.is_storable(name):
        return "it is no Stripe event with an id"
    data = event.get("data")
    parts = data if isinstance(data, dict) else {}
    needed = {
        f"its time of creation is {event.get('created')}": is_moment(event.get("created")),
        "it has no type": isinstance(event.get("type"), str),
        "its api_version is no text": isinstance(event.get("api_version"), str | None),
        "it has no data.object": isinstance(parts.get("object"), dict),
        "its previous values are no object": isinstance(
            parts.get("previous_attributes"), dict | None
        ),
    }
    return next((problem for problem, is_met in needed.items() if not is_met), None)
