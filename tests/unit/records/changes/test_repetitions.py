"""Changes that a read found before their Stripe events came are written once."""

from __future__ import annotations

import pytest

from stripe_sync.records import Observation, RecordRow, canonical_json
from stripe_sync.records.changes.diff import Changes, RecordKey, decide
from stripe_sync.records.changes.repetitions import StoredChange
from unit.records.changes.observations import CUSTOMER, at, batch, observation, stripe_event


def reread(
    before: dict[str, object], after: dict[str, object]
) -> tuple[dict[RecordKey, RecordRow], dict[RecordKey, list[StoredChange]]]:
    """A record that a read found changed, and its changes."""
    changes = decide(batch(observation(before), observation(after, when=1)), {}, (), at(100))
    [record] = changes.records
    found = changes.events[1]
    assert found.changes
    key = (CUSTOMER, "cus_1")
    return {key: record}, {key: [StoredChange(found.changes, found.created_at, reported=False)]}


def again(
    stored: dict[RecordKey, RecordRow],
    seen: dict[RecordKey, list[StoredChange]],
    *observations: Observation,
) -> Changes:
    return decide(batch(*observations), stored, (), at(200), seen)


def test_a_change_that_a_read_found_before_its_stripe_event_came_is_written_once() -> None:
    stored, seen = reread({"name": "Paul", "a": 1}, {"name": "Muad'Dib", "a": 1})
    late = stripe_event("evt_1", previous={"name": "Paul"})
    changes = again(stored, seen, observation({"name": "Muad'Dib", "a": 1}, stripe_event=late))
    assert (changes.events, changes.records, changes.result.unchanged) == ([], [], 1)


def test_a_newer_state_that_comes_with_a_stored_change_is_kept() -> None:
    stored, seen = reread({"a": 1, "b": 1}, {"a": 2, "b": 1})
    first = stripe_event("evt_1", previous={"a": 1})
    second = stripe_event("evt_2", previous={"b": 1})
    newer = {"a": 2, "b": 2}
    changes = again(
        stored, seen, *(observation(newer, when=2, stripe_event=each) for each in (first, second))
    )
    assert [each.changes for each in changes.events] == [{"b": 1}]
    assert canonical_json.loads(changes.records[0].payload_json) == {"id": "cus_1", **newer}


def test_changes_that_a_read_found_together_are_each_in_one_change_event() -> None:
    stored, seen = reread({"a": 1, "b": {"c": 1, "d": 1}}, {"a": 3, "b": {"c": 2, "d": 2}})
    state = {"a": 3, "b": {"c": 2, "d": 2}}
    events = [
        stripe_event("evt_1", previous={"a": 1}),
        stripe_event("evt_2", previous={"b": {"c": 1}}),
        stripe_event("evt_3", previous={"a": 2}),
        stripe_event("evt_4", previous={"b": {"d": 1}}),
    ]
    changes = again(stored, seen, *(observation(state, stripe_event=each) for each in events))
    assert [each.changes for each in changes.events] == [{"a": 2}]


def test_a_change_after_one_that_a_read_found_is_another_one() -> None:
    stored, seen = reread({"on": False}, {"on": True})
    events = [
        stripe_event("evt_2", previous={"on": True}),
        stripe_event("evt_3", previous={"on": False}),
    ]
    changes = again(
        stored, seen, *(observation({"on": True}, stripe_event=each) for each in events)
    )
    assert [each.changes for each in changes.events] == [{"on": True}, {"on": False}]


@pytest.mark.parametrize("previous", [{"a": 2}, {"a": 1, "b": 1}, {"b": 1}, {}, None])
def test_a_stripe_event_with_other_old_values_has_a_change_event(
    previous: dict[str, object] | None,
) -> None:
    stored, seen = reread({"a": 1}, {"a": 3})
    late = stripe_event("evt_1", previous=previous)
    assert len(again(stored, seen, observation({"a": 3}, stripe_event=late)).events) == 1
