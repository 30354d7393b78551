from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_sync.records import ChangeType, EventRow, Observation, RecordRow, StripeEvent
from stripe_sync.records.changes.diff import RecordKey, decide
from unit.records.changes.observations import CUSTOMER, at, batch, observation, stripe_event


@st.composite
def _observations(draw: st.DrawFn) -> Observation:
    upstream_id = f"cus_{draw(st.integers(1, 3))}"
    reported: StripeEvent | None = None
    if draw(st.booleans()):
        reported = stripe_event(
            f"evt_{upstream_id}_{draw(st.integers(0, 5))}",
            draw(st.sampled_from([*ChangeType, None])),
            created=draw(st.integers(0, 9)),
            previous=draw(st.sampled_from([None, {}, {"n": 0}])),
        )
    return observation(
        {"n": draw(st.integers(0, 3))},
        when=draw(st.integers(0, 9)),
        upstream_id=upstream_id,
        deleted=reported.change is ChangeType.DELETED if reported else draw(st.booleans()),
        stripe_event=reported,
        fallback=reported is not None and draw(st.booleans()),
        gone=reported is not None and draw(st.booleans()),
    )


def _cut(observations: Sequence[Observation], cuts: set[int]) -> Iterator[list[Observation]]:
    edges = [0, *sorted(cut for cut in cuts if cut < len(observations)), len(observations)]
    for start, end in pairwise(edges):
        yield list(observations[start:end])


@settings(deadline=None, max_examples=300)
@given(st.lists(_observations(), max_size=25), st.sets(st.integers(1, 24), max_size=5))
def test_records_are_the_fold_of_their_events(
    observations: list[Observation], cuts: set[int]
) -> None:
    stored: dict[RecordKey, RecordRow] = {}
    processed: set[str] = set()
    stream: list[EventRow] = []
    for number, part in enumerate(_cut(observations, cuts)):
        before = dict(stored)
        changes = decide(batch(*part), stored, processed, at(100 + number))
        assert changes.result.events == len(changes.events)
        stream += changes.events
        for row in changes.records:
            key = (row.collection_id, row.upstream_id)
            if key in before:
                assert row.observed_at >= before[key].observed_at
                assert row.inserted_at == before[key].inserted_at
                assert row.upstream_updated_at >= before[key].upstream_updated_at
            stored[key] = row
        processed |= {one.stripe_event.id for one in part if one.stripe_event}

    assert len({event.id for event in stream}) == len(stream)
    # Every Stripe event has its change event, but for repeated creations and deletions, and for
    # changes that a read has found before.
    stripe_event_ids = [event.stripe_event_id for event in stream if event.stripe_event_id]
    assert len(set(stripe_event_ids)) == len(stripe_event_ids)
    repeatable = {
        one.stripe_event.id
        for one in observations
        if one.stripe_event and one.stripe_event.change in (ChangeType.CREATED, ChangeType.DELETED)
    }
    read_first = {
        one.stripe_event.id
        for one in observations
        if one.stripe_event
        and any(
            not event.stripe_event_id
            and event.upstream_id == one.upstream_id
            and event.changes == one.stripe_event.previous_attributes
            for event in stream
        )
    }
    assert processed - repeatable - read_first <= set(stripe_event_ids) <= processed
    for _, upstream_id in stored:
        record = stored[CUSTOMER, upstream_id]
        events = [event for event in stream if event.upstream_id == upstream_id]
        kinds = [event.event_type for event in events]
        assert kinds[0] is not ChangeType.UPDATED
        assert record.updated_idx == len(events)
        assert record.payload_json == events[-1].data_json
        assert record.updated_at == events[-1].created_at
        assert record.api_version == events[-1].api_version
        assert record.deleted is (events[-1].event_type is ChangeType.DELETED)
        times = [event.upstream_updated_at for event in events]
        assert times == sorted(times)
        assert record.upstream_updated_at == times[-1]


@settings(deadline=None)
@given(st.lists(_observations(), max_size=15))
def test_the_same_batch_again_adds_no_events_of_stripe_events(
    observations: list[Observation],
) -> None:
    reported = [one for one in observations if one.stripe_event]
    first = decide(batch(*reported), {}, (), at(100))
    stored = {(row.collection_id, row.upstream_id): row for row in first.records}
    processed = {one.stripe_event.id for one in reported if one.stripe_event}
    again = decide(batch(*reported), stored, processed, at(200))
    assert (again.events, again.records) == ([], [])
