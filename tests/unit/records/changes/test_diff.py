from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from stripe_sync.records import (
    ChangeType,
    Observation,
    Source,
    canonical_json,
    ids,
)
from stripe_sync.records.changes.diff import Changes, decide, needing_payload
from unit.records.changes.observations import CUSTOMER, SYNC, at, batch, observation, stripe_event

CREATED, UPDATED, DELETED = ChangeType.CREATED, ChangeType.UPDATED, ChangeType.DELETED


def fold(*observations: Observation, processed: tuple[str, ...] = ()) -> Changes:
    return decide(batch(*observations), {}, processed, at(100))


def types(changes: Changes) -> list[ChangeType]:
    return [event.event_type for event in changes.events]


def payload(changes: Changes) -> dict[str, object]:
    (record,) = changes.records
    parsed: dict[str, object] = canonical_json.loads(record.payload_json)
    return parsed


def test_an_unknown_object_becomes_a_record_and_a_created_event() -> None:
    changes = fold(observation({"name": "Paul"}, when=1))
    (event,), (record,) = changes.events, changes.records
    assert event.event_type is CREATED
    assert event.changes is None
    assert event.id == ids.observed_change_id(SYNC, CUSTOMER, "cus_1", 1)
    assert event.stripe_event_id is None
    assert event.upstream_updated_at == record.upstream_updated_at == at(-4)
    assert record.id == ids.record_id(SYNC, CUSTOMER, "cus_1")
    assert (record.updated_idx, record.deleted) == (1, False)
    assert record.inserted_at == record.updated_at == event.created_at == at(100)
    assert record.payload_json == event.data_json


def test_the_same_state_observed_again_writes_nothing() -> None:
    first = fold(observation({"name": "Paul"}))
    stored = {(CUSTOMER, "cus_1"): first.records[0]}
    again = decide(batch(observation({"name": "Paul"}, when=9)), stored, (), at(200))
    assert (again.events, again.records, again.result.unchanged) == ([], [], 1)


def test_another_state_is_an_update_with_the_old_values() -> None:
    changes = fold(
        observation({"name": "Paul", "a": 1}), observation({"name": "Muad'Dib", "a": 1}, when=1)
    )
    assert types(changes) == [CREATED, UPDATED]
    assert changes.events[1].changes == {"name": "Paul"}
    assert changes.events[1].id == ids.observed_change_id(SYNC, CUSTOMER, "cus_1", 2)
    assert changes.records[0].updated_idx == 2


def test_an_older_state_is_left_out() -> None:
    changes = fold(observation({"n": 2}, when=5), observation({"n": 1}, when=4))
    assert (types(changes), changes.result.stale) == ([CREATED], 1)
    assert payload(changes)["n"] == 2


def test_observing_a_state_again_makes_older_observations_stale() -> None:
    changes = fold(
        observation({"n": 1}, when=0), observation({"n": 1}, when=9), observation({"n": 2}, when=5)
    )
    assert types(changes) == [CREATED]
    assert payload(changes)["n"] == 1


def test_a_deletion_keeps_the_payload() -> None:
    changes = fold(observation({"name": "Paul"}), observation(when=1, deleted=True))
    assert types(changes) == [CREATED, DELETED]
    assert changes.records[0].deleted
    assert payload(changes)["name"] == "Paul"
    assert canonical_json.loads(changes.events[1].data_json)["name"] == "Paul"
    assert changes.events[1].changes is None


def test_a_deletion_observed_twice_is_one_change_event() -> None:
    changes = fold(
        observation(),
        observation(when=1, deleted=True),
        observation({"x": 1}, when=2, deleted=True),
    )
    assert (types(changes), changes.result.unchanged) == ([CREATED, DELETED], 1)


def test_the_deletion_of_an_unknown_object_stores_its_last_state() -> None:
    changes = fold(observation({"name": "Leto"}, deleted=True))
    assert types(changes) == [DELETED]
    assert changes.records[0].deleted
    assert payload(changes)["name"] == "Leto"


def test_an_object_observed_after_its_deletion_is_created_again() -> None:
    changes = fold(
        observation({"n": 1}), observation(when=1, deleted=True), observation({"n": 1}, when=2)
    )
    assert types(changes) == [CREATED, DELETED, CREATED]
    assert not changes.records[0].deleted


def test_an_object_observed_at_the_time_of_its_deletion_stays_deleted() -> None:
    changes = fold(
        observation({"n": 1}), observation(when=1, deleted=True), observation({"n": 1}, when=1)
    )
    assert types(changes) == [CREATED, DELETED]


def test_every_stripe_event_is_one_change_event_whatever_the_state() -> None:
    changes = fold(
        observation({"n": 3}, when=9, stripe_event=stripe_event("evt_1", CREATED)),
        observation({"n": 3}, when=9, stripe_event=stripe_event("evt_2", previous={"n": 1})),
        observation({"n": 3}, when=9, stripe_event=stripe_event("evt_3", previous={"n": 2})),
    )
    assert types(changes) == [CREATED, UPDATED, UPDATED]
    assert [event.changes for event in changes.events] == [None, {"n": 1}, {"n": 2}]
    assert [event.stripe_event_id for event in changes.events] == ["evt_1", "evt_2", "evt_3"]
    assert changes.events[0].id == ids.stripe_event_change_id(SYNC, "evt_1")
    assert changes.records[0].updated_idx == 3


def test_a_stripe_event_is_processed_once() -> None:
    changes = fold(
        observation({"n": 1}, stripe_event=stripe_event("evt_1")),
        observation({"n": 2}, when=1, stripe_event=stripe_event("evt_1")),
        observation({"n": 3}, when=2, stripe_event=stripe_event("evt_0")),
        processed=("evt_0",),
    )
    assert (len(changes.events), changes.result.unchanged) == (1, 2)
    assert payload(changes)["n"] == 1


def test_a_late_stripe_event_has_the_newer_state_as_data() -> None:
    changes = fold(
        observation({"n": 2}, when=9),
        observation({"n": 1}, when=1, stripe_event=stripe_event("evt_1", previous={"n": 0})),
    )
    assert types(changes) == [CREATED, UPDATED]
    assert canonical_json.loads(changes.events[1].data_json)["n"] == 2
    assert changes.events[1].changes == {"n": 0}
    assert changes.records[0].observed_at == at(9)
    assert payload(changes)["n"] == 2


def test_an_update_without_previous_attributes_is_compared_with_what_is_stored() -> None:
    changes = fold(
        observation({"n": 1}),
        observation({"n": 2}, when=1, stripe_event=stripe_event("evt_1", None)),
    )
    assert changes.events[1].event_type is UPDATED
    assert changes.events[1].changes == {"n": 1}


@pytest.mark.parametrize("change", [CREATED, UPDATED, None])
def test_the_first_stripe_event_of_an_unknown_object_creates_it(change: ChangeType | None) -> None:
    changes = fold(observation({"n": 1}, stripe_event=stripe_event("evt_1", change)))
    assert (types(changes), changes.events[0].changes) == ([CREATED], None)


def test_the_creation_of_a_known_object_adds_no_row() -> None:
    changes = fold(
        observation({"n": 1}),
        observation({"n": 2}, when=1, stripe_event=stripe_event("evt_1", CREATED)),
        observation({"n": 2}, when=1, stripe_event=stripe_event("evt_2", previous={"n": 1})),
    )
    assert types(changes) == [CREATED, UPDATED]
    assert payload(changes)["n"] == 2


def test_a_reported_deletion_is_one_row_however_often_and_when_it_is_reported() -> None:
    changes = fold(
        observation({"n": 1}, when=9),
        observation(when=1, deleted=True, stripe_event=stripe_event("evt_1", DELETED)),
        observation(when=9, deleted=True, stripe_event=stripe_event("evt_2", DELETED)),
    )
    assert types(changes) == [CREATED, DELETED]
    assert changes.records[0].deleted


def test_a_change_of_an_object_that_is_gone_keeps_its_type_and_its_payload() -> None:
    changes = fold(
        observation({"n": 1}),
        observation(
            {"n": 2}, when=9, gone=True, stripe_event=stripe_event("evt_1", previous={"n": 1})
        ),
        observation(
            {"n": 2}, when=9, deleted=True, gone=True, stripe_event=stripe_event("evt_2", DELETED)
        ),
    )
    assert types(changes) == [CREATED, UPDATED, DELETED]
    assert [canonical_json.loads(event.data_json)["n"] for event in changes.events] == [1, 2, 2]


OLD = {"created": 100, "name": "old"}
NEW = {"created": 200, "name": "new"}


def reused(name: str, change: ChangeType, payload: dict[str, object], when: float) -> Observation:
    """The observation of a Stripe event of an object whose id is used twice."""
    reported = replace(stripe_event(name, change), object_created=payload["created"])
    return observation(payload, when=when, deleted=change is DELETED, stripe_event=reported)


@pytest.mark.parametrize("order", list(permutations(("deleted", "created", "updated"))))
def test_an_id_used_again_is_deleted_then_created_in_whatever_order_it_is_reported(
    order: tuple[str, ...],
) -> None:
    reported = {
        "deleted": reused("evt_1", DELETED, OLD, 5),
        "created": reused("evt_2", CREATED, NEW, 5),
        "updated": reused("evt_3", UPDATED, NEW, 5),
    }
    changes = fold(observation(OLD), *(reported[name] for name in order))
    assert types(changes)[:3] == [CREATED, DELETED, CREATED]
    assert set(types(changes)[3:]) <= {UPDATED}
    assert not changes.records[0].deleted
    assert payload(changes)["name"] == "new"


def test_an_id_used_again_that_a_list_shows_first_is_deleted_then_created_once() -> None:
    listed = replace(observation(NEW, when=4), object_created=200)
    late = [reused("evt_1", DELETED, OLD, 5), reused("evt_2", CREATED, NEW, 5)]
    changes = fold(observation(OLD), listed, *late)
    assert types(changes) == [CREATED, DELETED, CREATED]
    assert [event.stripe_event_id for event in changes.events] == [None] * 3
    assert payload(changes)["name"] == "new"


def test_a_list_that_shows_an_object_whose_id_was_used_again_is_stale() -> None:
    listed = replace(observation(OLD, when=4), object_created=100)
    changes = fold(observation(NEW), listed)
    assert (types(changes), changes.result.stale) == ([CREATED], 1)


def test_a_late_update_never_restores_a_deleted_record() -> None:
    changes = fold(
        observation({"n": 1}),
        observation(when=5, deleted=True, stripe_event=stripe_event("evt_2", DELETED, created=4)),
        observation(when=6, gone=True, stripe_event=stripe_event("evt_1", UPDATED, created=3)),
        observation({"n": 1}, when=1, stripe_event=stripe_event("evt_0", UPDATED, created=2)),
    )
    assert types(changes) == [CREATED, DELETED, DELETED, DELETED]
    assert changes.records[0].deleted
    assert changes.records[0].upstream_updated_at == at(4)


def test_a_fallback_payload_never_replaces_a_stored_one() -> None:
    changes = fold(
        observation({"n": 1}),
        observation({"n": 2}, when=1, stripe_event=stripe_event("evt_1"), fallback=True),
    )
    assert payload(changes)["n"] == 1
    assert changes.events[1].changes == {}


def test_only_records_that_may_change_need_their_payload() -> None:
    first = fold(observation(), observation(upstream_id="cus_2"), observation(upstream_id="cus_3"))
    stored = {(row.collection_id, row.upstream_id): row for row in first.records}
    asked = batch(
        observation(when=1),
        observation({"n": 1}, when=1, upstream_id="cus_2"),
        observation(when=1, upstream_id="cus_3", stripe_event=stripe_event("evt_old")),
        observation(upstream_id="cus_new"),
    )
    assert needing_payload(asked, stored, {"evt_old"}) == [(CUSTOMER, "cus_2")]
    assert needing_payload(asked, stored, ()) == [(CUSTOMER, "cus_2"), (CUSTOMER, "cus_3")]


def read_again(
    payload: dict[str, object], when: float, *, source: Source, now: float = 100
) -> Changes:
    """What was stored at noon, committed three seconds later, is read again."""
    first = decide(batch(observation({"n": 1})), {}, (), at(3))
    stored = {(CUSTOMER, "cus_1"): first.records[0]}
    return decide(batch(observation(payload, when=when), source=source), stored, (), at(now))


@pytest.mark.parametrize(
    ("when", "payload", "doubtful"),
    [
        pytest.param(-11, {"n": 2}, False, id="requested long before: older"),
        pytest.param(-1, {"n": 2}, True, id="requested before, perhaps answered after"),
        pytest.param(2, {"n": 2}, True, id="requested before the stored state was committed"),
        pytest.param(2, {"n": 1}, False, id="the same state"),
        pytest.param(4, {"n": 2}, False, id="requested after: newer"),
    ],
)
def test_a_list_read_while_a_state_was_stored_is_in_doubt(
    when: float, payload: dict[str, object], doubtful: bool
) -> None:
    changes = read_again(payload, when, source=Source.RECONCILE)
    assert changes.doubtful == ([(CUSTOMER, "cus_1")] if doubtful else [])


def test_a_fetch_sent_before_the_stored_one_is_in_doubt() -> None:
    assert read_again({"n": 2}, -1, source=Source.POLL).doubtful == [(CUSTOMER, "cus_1")]
    assert read_again({"n": 2}, 1, source=Source.POLL).doubtful == []


def test_a_stored_time_ahead_of_the_databases_clock_does_not_keep_new_states_out() -> None:
    """It was another server's clock, or this one was set back."""
    changes = read_again({"n": 2}, -60, source=Source.POLL, now=-30)
    assert (types(changes), changes.doubtful) == ([UPDATED], [])
    assert changes.records[0].observed_at == at(-60)


def test_a_change_that_no_stripe_event_reports_happened_when_it_was_seen() -> None:
    """The object's own times are those of its creation."""
    changes = fold(
        observation({"n": 1}), replace(observation({"n": 2}, when=50), upstream_updated_at=at(-5))
    )
    assert [event.upstream_updated_at for event in changes.events] == [at(-5), at(50)]
    assert changes.records[0].upstream_updated_at == at(50)


def test_the_time_of_a_late_change_is_not_before_that_of_the_change_before() -> None:
    changes = fold(
        observation({"n": 1}),
        observation({"n": 3}, when=9, stripe_event=stripe_event("evt_2", created=8)),
        observation({"n": 3}, when=9, stripe_event=stripe_event("evt_1", created=7)),
    )
    assert [event.upstream_updated_at for event in changes.events] == [at(-5), at(8), at(8)]
