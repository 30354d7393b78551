"""Stripe events whose objects could not be read: tried again later, after growing waits.

Two kinds fail: an event whose object cannot be fetched is not stored yet; an event whose related
objects cannot be read (a child list, a referenced object) is stored, and only these are missing.
Nor are those that take many requests read with the first try, while other events wait.

Later events of an object wait behind its failed ones, so that its changes are stored in order. An
object that cannot be fetched for ten minutes is stored as its events report it, and fetched later
(``pending_fetches.py``): what is not stored is read again by each new poller.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import itemgetter

from stripe_sync.clock import Clock
from stripe_sync.records.canonical_json import JsonObject

GIVE_UP_SECONDS = 600
"""Age of a Stripe event from which on it is stored with its own payload if it keeps failing."""

GIVE_UP_WAIT = 4.0
"""It must have failed so often that this was its last wait, in seconds."""

RETRIES_AT_ONCE = 16
"""Failed events that are tried again together."""

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 3_600.0


@dataclass(slots=True)
class _FailedEvent:
    event: JsonObject
    stored: bool
    wait: float
    due_at: float  # monotonic


class FailedEvents:
    """The failed Stripe events of a sync.

    Args:
        clock: Decides when an event is due.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: dict[str, _FailedEvent] = {}

    def __len__(self) -> int:
        return len(self._events)

    @property
    def cursor(self) -> JsonObject:
        """What a later poller needs to read these events again.

        Shape: ``{"failing_since": Unix seconds or None, "unfinished": [ids of stored events]}``.
        """
        times = (int(failed.event["created"]) for failed in self._events.values())
        stored = sorted(name for name, failed in self._events.items() if failed.stored)
        return {"failing_since": min(times, default=None), "unfinished": stored}

    def update(
        self,
        events: Sequence[JsonObject],
        failed: Collection[JsonObject],
        unfinished: Collection[JsonObject],
    ) -> None:
        """Follow an attempt to process events; each failure doubles the wait of its event.

        Once a failed event succeeds, the others are due, too.

        Args:
            events: All events of the attempt.
            failed: Those that are not stored.
            unfinished: Those that are stored, and whose related objects are missing.
        """
        stored = {event["id"]: True for event in unfinished}
        stored |= {event["id"]: False for event in failed}
        now = self._clock.monotonic()
        succeeded = False
        for event in events:
            last = self._events.pop(event["id"], None)
            succeeded |= last is not None and event["id"] not in stored
            if event["id"] in stored:
                wait = min(2 * last.wait, _LONGEST_WAIT) if last else _FIRST_WAIT
                # An event that was stored once stays stored.
                is_stored = stored[event["id"]] or bool(last and last.stored)
                self._events[event["id"]] = _FailedEvent(event, is_stored, wait, now + wait)
        if succeeded:  # an outage may be over: the others need not wait for their turn
            for other in self._events.values():
                other.due_at = min(other.due_at, now + _FIRST_WAIT)

    def add_later(self, events: Sequence[JsonObject]) -> list[JsonObject]:
        """Add the events of objects of which an earlier event has failed; returns those."""
        waiting = {
            _object_of(each.event): each for each in self._events.values() if not each.stored
        }
        found = [event for event in events if _object_of(event) in waiting]
        for event in found:
            first = waiting[_object_of(event)]
            self._events.setdefault(
                event["id"], _FailedEvent(event, False, first.wait, first.due_at)
            )
        return found

    def overdue(self, stripe_now: int) -> set[str]:
        """Ids of the events that wait no longer for the fetch of their object.

        Args:
            stripe_now: The present by Stripe's clock, in Unix seconds.
        """
        return {
            name
            for name, failed in self._events.items()
            if failed.wait >= GIVE_UP_WAIT
            and int(failed.event["created"]) <= stripe_now - GIVE_UP_SECONDS
        }

    def due(self) -> list[JsonObject]:
        """The next events to try again, those that wait longest first, each object's in order."""
        now = self._clock.monotonic()
        blocked = {
            _object_of(failed.event)
            for failed in self._events.values()
            if failed.due_at > now and not failed.stored
        }
        places: dict[tuple[str, str], int] = {}
        due = []
        for failed in self._events.values():
            place = places.setdefault(_object_of(failed.event), len(places))
            if failed.due_at <= now and (failed.stored or _object_of(failed.event) not in blocked):
                due.append((place, int(failed.event["created"]), failed.event))
        due.sort(key=itemgetter(0, 1))
        return [event for _, _, event in due[:RETRIES_AT_ONCE]]


def _object_of(event: JsonObject) -> tuple[str, str]:
    """Kind and id of the object that an event is about."""
    obj = event["data"]["object"]
    return str(obj.get("object")), str(obj.get("id"))
