"""How changes of a collection's objects are noticed."""

from __future__ import annotations

from collections.abc import Container
from enum import StrEnum

from stripe_sync.catalog.model import Collection, Retrieval


class ChangeSignal(StrEnum):
    """How changes are noticed between the weekly re-reads of everything."""

    OWN_EVENTS = "own_events"
    """Stripe events about the objects."""
    EVENTS_OF_OTHERS = "events_of_others"
    """Stripe events about parents, containing or referencing objects."""
    WINDOW = "window"
    """Recently created objects are read again, once or several times a day."""
    NIGHTLY = "nightly"
    """All objects are read again each night."""


def change_signals(collection: Collection, parent_only: Container[str]) -> tuple[ChangeSignal, ...]:
    """How changes of a collection are noticed.

    Args:
        collection: The collection.
        parent_only: Ids of the collections that are not stored; polling does not fetch their
            objects, so it finds nothing in them.
    """
    events = collection.events
    signals = {
        ChangeSignal.OWN_EVENTS: bool({*events.all} - {*events.ignored, *events.legacy}),
        ChangeSignal.EVENTS_OF_OTHERS: _changes_with_others(collection, parent_only),
        ChangeSignal.WINDOW: any(each.days for each in collection.reread_schedule),
        ChangeSignal.NIGHTLY: any(each.days is None for each in collection.reread_schedule),
    }
    return tuple(signal for signal, holds in signals.items() if holds)


def _changes_with_others(collection: Collection, parent_only: Container[str]) -> bool:
    embedded = any(
        call.embedded and not call.expand and call.parent not in parent_only
        for call in collection.lists
    )
    refreshed = any(call.refreshed_by for call in (*collection.lists, collection.preview) if call)
    # Polling does not expand references to look for objects that only expansion returns.
    referenced = collection.retrieval is not Retrieval.EXPANDED and any(
        source.collection not in parent_only for source in collection.sources
    )
    return embedded or refreshed or referenced
