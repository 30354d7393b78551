"""What a reader of the streams gets, and where it goes on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from integration.streams.conftest import Streams
from stripe_sync import ConfigurationError, Selection, StreamCursor, SyncNotFound, iterate_stream
from stripe_sync.streams import page as pages
from stripe_sync.streams.iterate import _run

RECORD = {
    "collection_id", "deleted", "id", "inserted_at", "payload", "payload_hash", "resource_id",
    "seq", "sync_id", "updated_at", "updated_idx", "upsert_opts", "upstream_id",
    "upstream_updated_at",
}  # fmt: skip
EVENT = {
    "changes", "collection_id", "created_at", "data", "event_type", "id", "resource_id", "seq",
    "sync_id", "upstream_id", "upstream_updated_at",
}  # fmt: skip
EVENTS = Selection.of("events")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def read(
    streams: Streams, stream: str = "events", start: str = "all", **options: Any
) -> list[dict[str, Any]]:
    selection = Selection.of(stream, **options)
    return [item.json() for item, _ in iterate_stream(streams.url, selection, start=start)]


def upstream_ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["upstream_id"] for item in items]


@pytest.mark.parametrize(("stream", "keys"), [("records", RECORD), ("events", EVENT)])
def test_items_have_the_keys_and_texts_of_the_data_contract(
    streams: Streams, stream: str, keys: set[str]
) -> None:
    streams.customers(1, name="A", when=10)
    (item,) = read(streams, stream)
    assert item.keys() == keys
    moments = [name for name in keys if name.endswith("_at")]
    assert all(MOMENT.fullmatch(item[name]) for name in moments)
    assert item["upstream_updated_at"] == "2026-03-01T12:00:05.000000Z"
    assert item["payload" if stream == "records" else "data"]["name"] == "A"


def test_a_change_has_the_old_values(streams: Streams) -> None:
    streams.customers(1, name="A")
    streams.customers(1, name="B", when=1)
    created, updated = read(streams)
    assert (created["event_type"], created["changes"]) == ("created", None)
    assert (updated["event_type"], updated["changes"]) == ("updated", {"name": "A"})


def test_text_that_jsonb_cannot_hold_comes_as_stripe_has_it(streams: Streams) -> None:
    name = 'a\0b "quoted" \u20ac 0.10'
    streams.customers(1, name=name)
    assert read(streams)[0]["data"]["name"] == name
    assert read(streams, "records")[0]["payload"]["name"] == name


def test_records_come_once_at_their_last_change_and_deleted_ones_stay(streams: Streams) -> None:
    streams.customers(1, 2, 3)
    streams.customers(1, name="B", when=1)
    streams.customers(2, deleted=True, when=2)
    items = read(streams, "records")
    assert [(item["upstream_id"], item["deleted"]) for item in items] == [
        ("cus_3", False),
        ("cus_1", False),
        ("cus_2", True),
    ]


def test_filters_select_and_pass_everything_else(streams: Streams) -> None:
    streams.customers(1, 2)
    streams.customers(1, collection="charge")
    streams.customers(1, name="B", when=1)
    streams.customers(7, sync="south")
    assert upstream_ids(read(streams, collections=["charge"])) == ["cha_1"]
    assert upstream_ids(
        read(streams, collections=["stripe.charge", "customer"], syncs=["south"])
    ) == ["cus_7"]
    assert upstream_ids(read(streams, upstream_id="cus_1")) == ["cus_1", "cus_1"]
    assert upstream_ids(read(streams, event_types=["updated"])) == ["cus_1"]
    south = streams.warehouse.syncs.get("south")
    assert upstream_ids(read(streams, resource_id=str(south.resource_id))) == ["cus_7"]
    assert upstream_ids(read(streams, syncs=[str(south.id).upper()])) == ["cus_7"]


def test_a_reader_goes_on_after_any_item(streams: Streams) -> None:
    for number in range(4):
        streams.customers(number, number + 10)
        streams.customers(number, number + 20, sync="south")
    whole = [(item.body, str(cursor)) for item, cursor in iterate_stream(streams.url, EVENTS)]
    assert len(whole) == 16
    for index, (_, cursor) in enumerate(whole):
        rest = [item.body for item, _ in iterate_stream(streams.url, EVENTS, start=cursor)]
        assert sorted(rest) == sorted(body for body, _ in whole[index + 1 :])


def test_a_page_ends_at_its_bytes_and_syncs_take_turns(streams: Streams) -> None:
    for sync in ("north", "south"):
        streams.customers(*range(300), sync=sync, text="x" * 1000)
    selection = Selection.of("records")
    cursor, seen, first = StreamCursor(), [], []
    with psycopg.connect(streams.url, autocommit=True) as connection:
        while True:
            page = _run(connection, pages.read_page(selection, cursor, 1000, max_bytes=100_000))
            assert sum(len(item.body) for item in page.items) < 105_000
            first.append(page.items[0].sync_id)
            seen += [(item.sync_id, item.seq) for item in page.items]
            cursor = page.cursor
            if not page.has_more:
                break
    assert len(seen) == len(set(seen)) == 600
    assert set(first[:2]) == {streams.id("north"), streams.id("south")}


def test_rare_items_do_not_make_one_query_read_the_whole_stream(
    streams: Streams,
) -> None:
    streams.customers(1)
    with psycopg.connect(streams.url) as connection:
        connection.execute(
            "UPDATE stripe_sync.stream_position SET last_seq = 50000 WHERE sync_id = %s",
            [streams.id("north")],
        )
    streams.customers(1, collection="charge")
    selection, asked = Selection.of("events", collections=["charge"]), []
    with psycopg.connect(streams.url, autocommit=True) as connection:
        queries = pages.read_page(selection, StreamCursor(), 10)
        rows: Any = None
        while True:
            try:
                query, values = queries.send(rows)
            except StopIteration as done:
                page = done.value
                break
            asked.append(values)
            rows = connection.execute(query, values).fetchall()  # type: ignore[arg-type]
    ranges = [(values["after"], values["until"]) for values in asked if values]
    assert ranges == [(0, 20_000), (20_000, 40_000), (40_000, 50_001)]
    assert [item.json()["upstream_id"] for item in page.items] == ["cha_1"]
    assert not page.has_more


def test_a_sync_that_was_made_anew_is_read_from_its_beginning(streams: Streams) -> None:
    streams.customers(1, 2, 3)
    *_, (_, cursor) = iterate_stream(streams.url, EVENTS)
    with psycopg.connect(streams.url) as connection:
        connection.execute("TRUNCATE stripe_raw.events, stripe_raw.records")
        connection.execute("UPDATE stripe_sync.stream_position SET last_seq = 0")
    streams.customers(5)
    assert upstream_ids(read(streams, start=str(cursor))) == ["cus_5"]


def test_where_a_reader_begins(streams: Streams) -> None:
    streams.customers(1)
    with psycopg.connect(streams.url) as connection:
        connection.execute("UPDATE stripe_raw.events SET created_at = now() - interval '2 hours'")
    streams.customers(2)
    assert upstream_ids(read(streams, start="all")) == ["cus_1", "cus_2"]
    assert upstream_ids(read(streams, start="new")) == []
    assert upstream_ids(read(streams, start="1h")) == ["cus_2"]
    assert upstream_ids(read(streams, start="3h")) == ["cus_1", "cus_2"]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert upstream_ids(read(streams, start=hour_ago.isoformat())) == ["cus_2"]
    assert upstream_ids(read(streams, start="1h", syncs=["south"])) == []


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"start": "yesterday"}, "from"),
        ({"start": "AQ=="}, "from"),
        ({"start": ""}, "from"),
        ({"start": "2026-01-01T00:00:00"}, "from"),
        ({"syncs": ["nowhere"]}, "sync_id"),
        ({"syncs": ["\0"]}, "sync_id"),
        ({"collections": ["customr"]}, "collection_id"),
        ({"collections": ["\0\ud800"]}, "collection_id"),
        ({"upstream_id": "\0"}, "upstream_id"),
        ({"upstream_id": "\ud800"}, "upstream_id"),
        ({"event_types": ["changed"]}, "event_type"),
        ({"resource_id": "acct_1"}, "resource_id"),
    ],
)
def test_what_can_never_be_read_is_refused(
    streams: Streams, options: dict[str, Any], param: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(streams, **options)
    assert refused.value.param == param
    assert isinstance(refused.value, SyncNotFound) == (param == "sync_id")


def test_a_follower_gets_what_is_written_later(streams: Streams) -> None:
    streams.customers(1)
    got = []
    for item, _ in iterate_stream(streams.url, EVENTS, follow=True):
        got.append(item.json()["upstream_id"])
        if len(got) == 4:
            break
        streams.customers(len(got) + 1, sync="south")
    assert got == ["cus_1", "cus_2", "cus_3", "cus_4"]
