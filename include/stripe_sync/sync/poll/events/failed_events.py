"""Stripe events whose objects could not be read: tried again later, after growing waits.

Two kinds fail: an event whose object cannot be fetched is not stored yet; an event whose related
objects cannot be read (a child list, a referenced object) is stored, and only these are missing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from stripe_sync.clock import Clock
from stripe_sync.records.canonical_json import JsonObject

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

    def due(self) -> list[JsonObject]:
        """The next events to try again, those that wait longest first."""
        now = self._clock.monotonic()
        due = (failed.event for failed in self._events.values() if failed.due_at <= now)
        return list(islice(due, RETRIES_AT_ONCE))
