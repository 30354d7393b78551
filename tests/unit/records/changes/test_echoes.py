"""Which Stripe event reports the change that a mutation has written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from stripe_sync.records import ChangeType, Observation, OwnChange, StripeEvent
from stripe_sync.records.changes.echoes import find_echoes

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY = ("stripe:customer", "cus_1")
CREATED, UPDATED, DELETED = ChangeType.CREATED, ChangeType.UPDATED, ChangeType.DELETED


def event(
    name: str,
    change: ChangeType | None,
    previous: dict[str, Any] | None = None,
    request: str | None = "req_1",
) -> Observation:
    stripe_event = StripeEvent(name, "t", change, NOW, previous, None, request_id=request)
    return Observation(
        *KEY, b"{}", "", deleted=False, observed_at=NOW, upstream_updated_at=NOW, api_version="v",
        stripe_event=stripe_event,
    )  # fmt: skip


def own(change: ChangeType, changes: dict[str, Any] | None = None, seq: int = 7) -> OwnChange:
    return OwnChange(seq, "req_1", change, changes)


@pytest.mark.parametrize(
    ("change", "events", "echo"),
    [
        (own(CREATED), [event("a", CREATED)], "a"),
        # Of two events of one request the creation is the echo, whatever their order.
        (own(CREATED), [event("a", None), event("b", CREATED)], "b"),
        (own(CREATED), [event("a", None)], "a"),
        (own(CREATED), [event("a", UPDATED)], None),
        (own(CREATED), [event("a", None, {"status": "open"})], None),
        (own(UPDATED, {"name": "A"}), [event("a", UPDATED, {"name": "B"})], "a"),
        (own(UPDATED, {"name": "A", "email": "E"}), [event("a", UPDATED, {"name": "A"})], "a"),
        (own(UPDATED, {"name": "A"}), [event("a", UPDATED, {"name": "A", "email": "E"})], "a"),
        (own(UPDATED, {"name": "A"}), [event("a", UPDATED, {"email": "E"})], None),
        # Without old values an event may report any change; one with them is preferred.
        (own(UPDATED, {"status": "open"}), [event("a", None)], "a"),
        (own(UPDATED, {"status": "a"}), [event("a", None), event("b", None, {"status": "a"})], "b"),
        (own(UPDATED, {"name": "A"}), [event("a", CREATED)], None),
        (own(UPDATED, {"name": "A"}), [event("a", DELETED)], None),
        (own(DELETED), [event("a", UPDATED, {"name": "A"}), event("b", DELETED)], "b"),
        (own(DELETED), [event("a", UPDATED, {"name": "A"})], None),
        # Another request, or none: never, whatever it has in common.
        (own(UPDATED, {"name": "A"}), [event("a", UPDATED, {"name": "A"}, "req_2")], None),
        (own(UPDATED, {"name": "A"}), [event("a", UPDATED, {"name": "A"}, None)], None),
    ],
)
def test_the_echo_of_a_change(
    change: OwnChange, events: list[Observation], echo: str | None
) -> None:
    found = find_echoes(events, {KEY: [change]}, set())
    assert found == ({echo: 7} if echo else {})


def test_each_change_has_one_echo_and_each_event_is_the_echo_of_one_change() -> None:
    events = [event(name, UPDATED, {"name": "A"}) for name in "abc"]
    changes = [own(UPDATED, {"name": "A"}, seq) for seq in (3, 5)]
    assert find_echoes(events, {KEY: changes}, set()) == {"a": 3, "b": 5}


def test_a_processed_event_is_no_echo() -> None:
    assert find_echoes([event("a", CREATED)], {KEY: [own(CREATED)]}, {"a"}) == {}


def test_the_echo_is_about_the_same_object() -> None:
    other = {("stripe:customer", "cus_2"): [own(CREATED)]}
    assert find_echoes([event("a", CREATED)], other, set()) == {}
