"""Failed Stripe events: tried again behind all others, each after growing waits."""

from __future__ import annotations

from typing import Any

from stripe_sync.clock import SystemClock
from stripe_sync.sync.poll.events.failed_events import (
    GIVE_UP_SECONDS,
    RETRIES_AT_ONCE,
    FailedEvents,
)
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


def failing(name: str, created: int = 0, obj: str = "prod_1") -> Doc:
    return event("product.updated", product(id=obj), created=created, name=name)


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
    crowd = [failing(f"evt_{n}", obj=f"prod_{n}") for n in range(RETRIES_AT_ONCE + 1)]
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
    clock, first, second = SteppedClock(), failing("evt_1"), failing("evt_2", obj="prod_2")
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


def test_later_events_of_an_object_wait_behind_its_failed_one_and_go_with_it() -> None:
    clock, first = SteppedClock(), failing("evt_1", created=1)
    events = FailedEvents(clock)
    events.update([first], [first], [])
    later = [failing("evt_3", created=3), failing("evt_2", created=2)]
    others = [failing("evt_9", obj="prod_2")]
    assert ids(events.add_later([*later, *others])) == ["evt_3", "evt_2"]
    clock.advance(1)
    assert ids(events.due()) == ["evt_1", "evt_2", "evt_3"]
    events.update([first], [first], [])
    clock.advance(1)
    assert events.due() == []
    clock.advance(1)
    assert ids(events.due()) == ["evt_1", "evt_2", "evt_3"]
    events.update([first, *later], [], [])
    assert events.add_later([failing("evt_4")]) == []


def test_nothing_waits_behind_an_event_whose_change_is_stored() -> None:
    events, one = FailedEvents(SteppedClock()), failing("evt_1")
    events.update([one], [], [one])
    assert events.add_later([failing("evt_2")]) == []


def test_an_old_event_that_failed_several_times_waits_no_longer() -> None:
    clock, old = SteppedClock(), failing("evt_old")
    new = failing("evt_new", created=GIVE_UP_SECONDS, obj="prod_2")
    events, now = FailedEvents(clock), old["created"] + GIVE_UP_SECONDS
    for failures in range(3):
        assert events.overdue(now) == set(), failures
        events.update([old, new], [old, new], [])
    assert events.overdue(now) == {"evt_old"}
    assert events.overdue(now - 1) == set()
