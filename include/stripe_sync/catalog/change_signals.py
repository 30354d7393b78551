"""What tells that objects of a collection changed."""

from __future__ import annotations

from collections.abc import Container
from enum import StrEnum

from stripe_sync.catalog.model import Collection, Retrieval


class ChangeSignal(StrEnum):
    """A way in which changes are told, between the weekly readings of everything."""

    OWN_EVENTS = "own_events"
    """Stripe events that carry the objects."""
    EVENTS_OF_OTHERS = "events_of_others"
    """Stripe events of their parents, of what names or holds them, or that speak of their list."""
    WINDOW = "window"
    """What was created lately is read again, several times a day or once."""
    NIGHTLY = "nightly"
    """Everything is read again each night."""


def change_signals(row: Collection, parent_only: Container[str]) -> tuple[ChangeSignal, ...]:
    """The ways in which changes of a collection are told.

    Args:
        row: The collection.
        parent_only: Catalogue ids of those that are not synced: nobody looks at what they hold.
    """
    own = set(row.events.all) - set(row.events.ignored) - set(row.events.legacy)
    ways = {
        ChangeSignal.OWN_EVENTS: bool(own),
        ChangeSignal.EVENTS_OF_OTHERS: _told_by_others(row, parent_only),
        ChangeSignal.WINDOW: any(each.days for each in row.reread_schedule),
        ChangeSignal.NIGHTLY: any(each.days is None for each in row.reread_schedule),
    }
    return tuple(way for way, holds in ways.items() if holds)


def _told_by_others(row: Collection, parent_only: Container[str]) -> bool:
    shown = any(
        call.embedded and not call.expand and call.parent not in parent_only for call in row.lists
    )
    spoken_of = any(call.refreshed_by for call in (*row.lists, row.preview) if call)
    # What is only seen once a reference is expanded is not looked for with each Stripe event.
    named = row.retrieval is not Retrieval.EXPANDED and any(
        source.collection not in parent_only for source in row.sources
    )
    return shown or spoken_of or named
