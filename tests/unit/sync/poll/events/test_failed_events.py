"""Failed Stripe events: tried again behind all others, each after growing waits."""

from __future__ import annotations

from typing import Any

from stripe_sync.clock import SystemClock
from stripe_sync.sync.poll.events.failed_events import RETRIES_AT_ONCE, FailedEvents
from unit.sync.poll.events.stripe_events import event, product

Doc = dict[str, Any]


class SteppedClock(SystemClock):
    """Stands still but for ``advance``."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        self._seconds += seconds


def failing(name: str, created: int = 0) -> Doc:
    return event("product.updated", product(), created=created, name=name)


def ids(events: list[Doc]) -> list[str]:
    return [each["id"] for each in events]


def test_the_wait_of_an_event_doubles_with_each_failure_up_to_an_hour() -> None:
    clock, one = SteppedClock(), failing("evt_1")
    events = FailedEvents(clock)
    waits = []
    for _ in range(14):
        events.update([one], [one], [])
        began = clock.monotonic()
        while not events.due():
            clock.advance(1)
        waits.append(clock.monotonic() - began)
    assert waits == [*(2**n for n in range(12)), 3600, 3600]


def test_a_failing_event_goes_behind_those_that_wait() -> None:
    clock = SteppedClock()
    events = FailedEvents(clock)
    crowd = [failing(f"evt_{n}") for n in range(RETRIES_AT_ONCE + 1)]
    events.update(crowd, crowd, [])
    clock.advance(1)
    first = events.due()
    assert ids(first) == ids(crowd[:RETRIES_AT_ONCE])
    events.update(first, first, [])
    assert ids(events.due()) == [crowd[-1]["id"]]


def test_what_succeeds_is_forgotten() -> None:
    clock, one = SteppedClock(), failing("evt_1")
    events = FailedEvents(clock)
    events.update([one], [one], [])
    events.update([one], [], [])
    clock.advance(5000)
    assert events.due() == []
    assert events.cursor == {"failing_since": None, "unfinished": []}


def test_a_success_makes_the_others_due_for_an_outage_may_be_over() -> None:
    clock, first, second = SteppedClock(), failing("evt_1"), failing("evt_2")
    events = FailedEvents(clock)
    for _ in range(8):
        events.update([first, second], [first, second], [])
    assert events.due() == []
    events.update([first], [], [])
    clock.advance(1)
    assert ids(events.due()) == ["evt_2"]


def test_the_cursor_names_the_oldest_event_and_those_whose_change_is_stored() -> None:
    events = FailedEvents(SteppedClock())
    old, new = failing("evt_old", created=5), failing("evt_new", created=9)
    events.update([new, old], [new], [old])
    assert events.cursor == {"failing_since": old["created"], "unfinished": ["evt_old"]}


def test_an_event_whose_change_is_stored_stays_so_when_its_object_fails_later() -> None:
    events, one = FailedEvents(SteppedClock()), failing("evt_1")
    events.update([one], [], [one])
    events.update([one], [one], [])
    assert events.cursor["unfinished"] == ["evt_1"]
