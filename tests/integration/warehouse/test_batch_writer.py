from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from stripe_sync.errors import ConcurrentUpdate, SyncBusy, WarehouseError
from stripe_sync.records import (
    ChangeType,
    Checkpoint,
    EventRow,
    LoadResult,
    PollCheckpoint,
    RecordRow,
    Source,
    canonical_json,
    ids,
)
from stripe_sync.warehouse import BatchWriter, StreamPart, Warehouse
from unit.records.changes.observations import CUSTOMER, SYNC, at, batch, observation, stripe_event


def stream(warehouse: Warehouse) -> StreamPart:
    return warehouse.streams.next_part(SYNC, after=0, limit=1_000)


def test_records_and_events_are_stored_together(
    warehouse: Warehouse, writer: BatchWriter, sql: psycopg.Connection[Any]
) -> None:
    result = writer.load(batch(observation({"n": 1}), observation({"n": 1}, upstream_id="cus_2")))
    assert result == LoadResult(created=2, events=2, last_seq=2)
    for table in ("records", "events"):
        assert sql.execute(f"SELECT seq FROM stripe_raw.{table} ORDER BY 1").fetchall() == [
            (1,),
            (2,),
        ]
    part = stream(warehouse)
    assert [record.payload_json for record in part.records] == [
        event.data_json for event in part.events
    ]
    assert part.last_seq == 2
    assert warehouse.records.count(SYNC, CUSTOMER) == 2


def test_rows_are_read_back_as_they_were_written(
    warehouse: Warehouse, writer: BatchWriter, sql: psycopg.Connection[Any]
) -> None:
    decided: list[tuple[list[RecordRow], list[EventRow]]] = []
    writer.load(
        batch(
            observation({"n": 1}),
            observation({"n": 2}, when=3, stripe_event=stripe_event("evt_1", previous={"n": 1})),
            observation({"a.b": {"c": None}}, upstream_id="cus_2", deleted=True),
        ),
        lambda records, events: decided.append((records, events)),
    )
    ((records, events),) = decided
    part = stream(warehouse)
    assert (part.records, part.events) == (records, events)
    keys = [(CUSTOMER, record.upstream_id) for record in records]
    assert list(warehouse.records.rows(SYNC, keys).values()) == records
    seqs = sql.execute("SELECT seq FROM stripe_raw.records ORDER BY 1").fetchall()
    assert seqs == [(2,), (3,)]


def test_loading_the_same_batch_again_changes_nothing(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    one = batch(
        observation({"n": 1}),
        observation({"n": 2}, when=1, upstream_id="cus_2", stripe_event=stripe_event("evt_1")),
        observation(when=2, upstream_id="cus_3", deleted=True),
    )
    writer.load(one)
    before = stream(warehouse)
    again = writer.load(one)
    assert (again.events, again.unchanged, again.last_seq) == (0, 3, None)
    assert stream(warehouse) == before


def test_changes_are_found_by_comparing_with_the_stored_record(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    writer.load(batch(observation({"n": 1, "deep": {"a": 1, "b": 2}})))
    writer.load(batch(observation({"n": 1, "deep": {"a": 1, "b": 3}}, when=1)))
    writer.load(
        batch(
            observation(
                when=2, deleted=True, stripe_event=stripe_event("evt_1", ChangeType.DELETED)
            )
        )
    )
    part = stream(warehouse)
    events = part.events
    assert [event.event_type for event in events] == ["created", "updated", "deleted"]
    assert events[1].changes == {"deep": {"b": 2}}
    assert canonical_json.loads(events[2].data_json)["deep"] == {"a": 1, "b": 3}
    (record,) = part.records
    assert (part.last_seq, record.deleted, record.updated_idx) == (3, True, 3)
    assert record.payload_json == events[2].data_json
    assert writer.load(batch(observation({"n": 0}, when=1))).stale == 1


STRANGE: list[dict[str, Any]] = [
    {"big": 2**63 - 1, "small": -(2**63), "unsigned": 2**64 - 1},
    {"a.b": 1, "": 2, "a\tb": 3, 'q"uote': 4, "back\\slash": 5},
    {"text": "ünïcode 漢字 🚀 \u2028 \\u0000 \\N \\. \t\r\n"},
    {"nul": "a\x00b", "literal": "\\u0000", "nul\x00key": ["\x00"]},
    {"float": 33.3, "zero": 0, "empty": [], "none": None, "yes": True},
    {"large": "x" * 3_000_000},
]


@pytest.mark.parametrize("payload", STRANGE, ids=lambda payload: next(iter(payload)))
def test_strange_payloads_come_back_byte_for_byte(
    warehouse: Warehouse, writer: BatchWriter, payload: dict[str, Any]
) -> None:
    first = observation(payload, upstream_id="odd\\id\t漢")
    writer.load(batch(first))
    (record,) = stream(warehouse).records
    assert (record.upstream_id, record.payload_json) == (first.upstream_id, first.payload_json)
    assert record.payload_hash == first.payload_hash
    writer.load(batch(observation({**payload, "more": 1}, when=1, upstream_id=first.upstream_id)))
    assert stream(warehouse).events[1].changes == {"more": None}


def test_nul_is_replaced_in_jsonb_columns(
    writer: BatchWriter, sql: psycopg.Connection[Any]
) -> None:
    writer.load(batch(observation({"name": "a\x00b"})))
    writer.load(
        batch(
            observation(
                {"name": "c"},
                when=1,
                stripe_event=stripe_event("evt_1", previous={"name": "a\x00b"}),
            )
        )
    )
    rows = sql.execute(
        "SELECT data->>'name', data_exact IS NULL, changes->>'name' FROM stripe_raw.events"
        " ORDER BY seq"
    ).fetchall()
    assert rows == [("a\ufffdb", False, None), ("c", True, "a\ufffdb")]


def test_a_checkpoint_commits_with_and_without_changes(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    checkpoint = Checkpoint(CUSTOMER, 1, 1, {"page": "cus_1"}, 1, 1, 12.5)
    writer.load(batch(observation(), source=Source.BACKFILL, checkpoint=checkpoint))
    further = replace(checkpoint, chunk=2, cursor={"page": None}, requests=2)
    result = writer.load(batch(source=Source.BACKFILL, checkpoint=further))
    state = warehouse.collections.state(SYNC, CUSTOMER)
    assert result == LoadResult()
    assert state is not None
    assert (state.status, state.generation, state.chunk) == ("running", 1, 2)
    assert (state.cursor, state.objects, state.requests) == ({"page": None}, 1, 2)
    assert state.percent == 12.5


def test_polling_progress_commits_with_and_without_changes(
    warehouse: Warehouse, writer: BatchWriter, sql: psycopg.Connection[Any]
) -> None:
    latencies = {0.5: 1, 30.0: 2}
    writer.load(
        batch(
            observation(stripe_event=stripe_event("evt_1")),
            poll=PollCheckpoint({"at": 1}, 1, latencies),
        )
    )
    writer.load(batch(poll=PollCheckpoint({"at": 2}, 3, {0.5: 4})))
    writer.load(batch(poll=PollCheckpoint(None, 1)))
    assert warehouse.polls.state(SYNC).cursor == {"at": 2}
    counts = "SELECT stripe_events, changes FROM stripe_sync.poll_state"
    assert sql.execute(counts).fetchone() == (5, 1)
    stored = (
        "SELECT within_seconds::float, sum(stripe_events) FROM stripe_sync.poll_latency GROUP BY 1"
    )
    assert sorted(sql.execute(stored)) == [(0.5, 5), (30.0, 2)]
    assert warehouse.polls.processed_since(SYNC, since=at(0)) == {"evt_1": int(at(0).timestamp())}
    assert warehouse.polls.processed_since(SYNC, since=at(1)) == {}


def test_a_poller_that_lost_its_lease_commits_nothing(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    assert warehouse.polls.acquire_lease(SYNC, "other", seconds=60)
    late = batch(
        observation(stripe_event=stripe_event("evt_1")), poll=PollCheckpoint({"at": 1}, owner="me")
    )
    with pytest.raises(SyncBusy):
        writer.load(late)
    assert stream(warehouse).last_seq == 0
    warehouse.polls.release_lease(SYNC, "other")
    assert warehouse.polls.acquire_lease(SYNC, "me", seconds=60)
    assert writer.load(late).events == 1


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({}, "another"),
        ({}, None),
        ({"deleted": True}, "the stored one"),
        (None, "another"),
    ],
    ids=["changed", "made", "deleted", "never there"],
)
def test_a_batch_made_from_another_state_than_the_stored_one_is_refused(
    warehouse: Warehouse,
    writer: BatchWriter,
    stored: dict[str, Any] | None,
    expected: str | None,
) -> None:
    known = observation({"n": 1}, **(stored or {}))
    before = writer.load(batch(known)).last_seq if stored is not None else 0
    hashes = {(CUSTOMER, "cus_1"): known.payload_hash if expected == "the stored one" else expected}
    with pytest.raises(ConcurrentUpdate, match=r"stripe:customer cus_1"):
        writer.load(
            batch(
                observation({"n": 2}, when=1, stripe_event=stripe_event("evt_1")),
                expected_hashes=hashes,
            )
        )
    assert stream(warehouse).last_seq == before
    # The connection still works, and a batch made from the stored state is written.
    fitting = {
        (CUSTOMER, "cus_2"): None,
        **({(CUSTOMER, "cus_1"): known.payload_hash} if stored == {} else {}),
    }
    more = observation({"n": 3}, when=1, upstream_id="cus_2", stripe_event=stripe_event("evt_2"))
    assert writer.load(batch(more, expected_hashes=fitting)).events == 1


def test_an_error_of_the_lake_rolls_the_batch_back(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    def refuse(_records: list[RecordRow], _events: list[EventRow]) -> None:
        message = "disk full"
        raise OSError(message)

    checkpoint = Checkpoint(CUSTOMER, 1, 1, {}, 1, 1)
    one = batch(observation(), source=Source.BACKFILL, checkpoint=checkpoint)
    with pytest.raises(OSError, match="disk full"):
        writer.load(one, refuse)
    assert stream(warehouse).last_seq == 0
    assert warehouse.collections.state(SYNC, CUSTOMER) is None
    assert writer.load(one).created == 1


def test_a_sync_that_does_not_exist_is_named(writer: BatchWriter) -> None:
    stranger = replace(batch(observation()), sync_id=ids.sync_id("other"))
    with pytest.raises(WarehouseError, match=f"has no sync {stranger.sync_id}"):
        writer.load(stranger)


def test_messages_quote_no_customer_data(writer: BatchWriter) -> None:
    with pytest.raises(WarehouseError, match="refused a load") as caught:
        writer.load(batch(observation({"email": "paul@example.com"}, upstream_id="cus_\x00")))
    assert "paul@" not in str(caught.value)


def test_readers_are_notified_of_new_events(
    writer: BatchWriter, sql: psycopg.Connection[Any]
) -> None:
    sql.execute("LISTEN stripe_sync")
    writer.load(batch(observation()))
    writer.load(batch(observation()))
    writer.load(batch(observation({"n": 1}, when=1)))
    heard = [notice.payload for notice in sql.notifies(timeout=5, stop_after=2)]
    assert heard == [str(SYNC), str(SYNC)]
