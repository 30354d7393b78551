from __future__ import annotations

from typing import Any

import pytest

from stripe_sync.records import RecordRow, canonical_json
from stripe_sync.records.changes.diff import Changes, decide
from stripe_sync.warehouse.writing.staging import copy_blocks, emitted_events
from unit.records.changes.observations import CUSTOMER, at, batch, observation, stripe_event

# Columns of the staging table that the tests read, by their place.
ORDINAL, EVENT_ID, UPSTREAM_ID, EVENT_TYPE, CHANGES = 0, 1, 3, 4, 5
STRIPE_EVENT_ID, RECORD_ID, UPDATED_IDX, PARENT_ID, PAYLOAD_EXACT, PAYLOAD = 8, 10, 15, 17, 18, 19
COLUMNS = 20

UNESCAPES = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}


def unescape(field: str) -> str | None:
    """A field as PostgreSQL reads it from the text format of COPY."""
    if field == "\\N":
        return None
    characters = iter(field)
    return "".join(UNESCAPES[next(characters)] if c == "\\" else c for c in characters)


def staged(changes: Changes, *, created_events: bool = True) -> list[list[str | None]]:
    emitted = emitted_events(changes, created_events=created_events)
    text = b"".join(copy_blocks(changes, emitted)).decode()
    assert text.endswith("\n")
    rows = [[unescape(field) for field in line.split("\t")] for line in text[:-1].split("\n")]
    assert {len(row) for row in rows} == {COLUMNS}
    return rows


def column(rows: list[list[str | None]], number: int) -> list[str | None]:
    return [row[number] for row in rows]


def stored(payload: dict[str, Any]) -> dict[tuple[str, str], RecordRow]:
    (record,) = decide(batch(observation(payload)), {}, (), at(50)).records
    return {(CUSTOMER, "cus_1"): record}


def test_only_the_newest_event_of_a_record_carries_the_record() -> None:
    changes = decide(
        batch(
            observation({"n": 1}),
            observation({"n": 2}, when=1, stripe_event=stripe_event("evt_1", previous={"n": 1})),
            observation(upstream_id="cus_2"),
        ),
        {},
        (),
        at(100),
    )
    rows = staged(changes)
    assert column(rows, ORDINAL) == ["1", "2", "3"]
    assert column(rows, EVENT_TYPE) == ["created", "updated", "created"]
    assert [row[RECORD_ID] is not None for row in rows] == [False, True, True]
    assert column(rows, UPDATED_IDX) == [None, "2", "1"]
    assert column(rows, STRIPE_EVENT_ID) == [None, "evt_1", None]
    assert column(rows, CHANGES) == [None, '{"n":1}', None]


@pytest.mark.parametrize(
    "text",
    ["tab\tnew\nline\rback\\slash", "\\N", "\\.", "漢字", "with space", "", "a\\tb", "trailing\\"],
)
def test_ids_are_escaped_for_copy(text: str) -> None:
    one = observation(upstream_id=text)
    one.parent_id = f"x{text}"
    (row,) = staged(decide(batch(one), {}, (), at(100)))
    assert (row[UPSTREAM_ID], row[PARENT_ID]) == (text, f"x{text}")


def test_payloads_are_escaped_for_copy() -> None:
    payload = {"text": 'tab\t new\n line "quoted" back\\slash \\n \\u0000'}
    (row,) = staged(decide(batch(observation(payload)), {}, (), at(100)))
    assert row[PAYLOAD_EXACT] is None
    assert canonical_json.loads(row[PAYLOAD] or "") == {"id": "cus_1", **payload}


def test_a_payload_with_nul_is_staged_twice_exact_and_for_jsonb() -> None:
    (row,) = staged(decide(batch(observation({"n": "a\x00b"})), {}, (), at(100)))
    assert canonical_json.loads(row[PAYLOAD_EXACT] or "")["n"] == "a\x00b"
    assert canonical_json.loads(row[PAYLOAD] or "")["n"] == "a\ufffdb"


def test_new_records_get_no_event_where_created_events_are_off() -> None:
    changes = decide(
        batch(
            observation({"n": 2}, when=1),
            observation(upstream_id="cus_2"),
            observation(upstream_id="cus_3", stripe_event=stripe_event("evt_1", None)),
        ),
        stored({"n": 1}),
        (),
        at(100),
    )
    emitted = emitted_events(changes, created_events=False)
    assert [event.upstream_id for event in emitted] == ["cus_1", "cus_3"]
    rows = staged(changes, created_events=False)
    assert column(rows, UPSTREAM_ID) == ["cus_1", "cus_2", "cus_3"]
    assert column(rows, EVENT_TYPE) == ["updated", None, "created"]
    assert all(row[RECORD_ID] for row in rows)


def test_all_events_are_emitted_where_created_events_are_on() -> None:
    changes = decide(batch(observation(), observation({"n": 1}, when=1)), {}, (), at(100))
    assert emitted_events(changes, created_events=True) == changes.events


def test_long_batches_are_sent_in_blocks_of_whole_lines() -> None:
    objects = [observation({"text": "x" * 10_000}, upstream_id=f"cus_{n}") for n in range(60)]
    changes = decide(batch(*objects), {}, (), at(100))
    blocks = list(copy_blocks(changes, changes.events))
    assert len(blocks) > 1
    assert all(block.endswith(b"\n") for block in blocks)
    assert sum(block.count(b"\n") for block in blocks) == 60
