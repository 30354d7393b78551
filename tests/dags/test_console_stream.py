"""The stream page, and its live stream from the app itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dags.api_server import ApiServer
from integration.streams.conftest import Streams, customer, make_streams
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.known_syncs import forget_syncs
from stripe_airflow.ui.pages import stream
from stripe_airflow.ui.payloads.differences import difference_of, money, readable, value_of
from stripe_sync import Selection, StreamCursor, StreamReader
from stripe_sync.warehouse import Warehouse

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"
RIGHT_TO_LEFT = "\u202e\u05e9\u05dc\u05d5\u05dd"
HALF = "half \ud800 a character"


@pytest.fixture
def streams(server: ApiServer, connections: None) -> Iterator[Streams]:
    forget_syncs()
    with Warehouse(warehouse_url()) as warehouse:
        yield make_streams(warehouse_url(), warehouse)
    server.forget_warehouse()


@pytest.fixture
def api(server: ApiServer, streams: Streams) -> ApiServer:
    return server


def changes_of(page: Any) -> list[str]:
    """Ids of the objects of the changes of a page, in their order."""
    return re.findall(r"<bdi>((?:cus|cha)_\d+)</bdi></a>", page.text)


def test_the_page_has_the_newest_changes_with_old_and_new_values(
    api: ApiServer, streams: Streams
) -> None:
    streams.customers(1, 2, name="Old", currency="eur", balance=0)
    streams.customers(1, when=1, name="New", currency="eur", balance=-1250)
    streams.customers(2, when=2, name="Old", currency="eur", balance=0, deleted=True)
    page = api.call("viewer", "GET", "/ui/stream")
    assert page.status_code == 200
    assert changes_of(page) == ["cus_2", "cus_1", "cus_2", "cus_1"]
    deleted, updated, *_ = page.text.split("<article")[1:]
    assert "was deleted in Stripe" in deleted
    assert re.findall(r'mono">([^<]+)</bdi>', updated) == ["0", "-1250", "Old", "New"]
    assert "-12.50 EUR" in updated
    assert 'href="/stripe/ui/records/stripe%3Acustomer/cus_1?sync=north"' in updated


def test_filters_are_in_the_address_and_reach_the_live_stream(
    api: ApiServer, streams: Streams
) -> None:
    streams.customers(1, 2)
    streams.customers(3, sync="south")
    streams.write(customer(1, collection="charge"))
    for query, expected in {
        "sync=south": ["cus_3"],
        "collection=stripe:charge": ["cha_1"],
        "object_id=cus_2": ["cus_2"],
        "event_type=deleted": [],
        "sync=&collection=&event_type=&object_id=": ["cha_1", "cus_3", "cus_2", "cus_1"],
    }.items():
        assert changes_of(api.call("viewer", "GET", f"/ui/stream?{query}")) == expected, query
    page = api.call("viewer", "GET", "/ui/stream?sync=south&event_type=created&object_id=<b>")
    [live] = re.findall(r'hx-sse:connect="([^"]+)"', page.text)
    assert "sync=south&amp;event_type=created&amp;object_id=%3Cb%3E" in live
    assert '<option value="south" selected>' in page.text
    assert "No change fits the filters" in page.text
    for wrong in ("sync=none", "collection=none", "event_type=none", "before=none"):
        assert api.call("viewer", "GET", f"/ui/stream?{wrong}").status_code in (400, 404), wrong
    assert "Nothing has changed yet" not in page.text


def test_scrolling_back_shows_each_change_once(api: ApiServer, streams: Streams) -> None:
    streams.customers(*range(1, 121))
    seen, path = [], "/ui/stream"
    while path:
        page = api.call("viewer", "GET", path)
        seen += changes_of(page)
        assert len(changes_of(page)) <= stream.PAGE
        assert ("hx-sse:connect" in page.text) == (path == "/ui/stream")
        older = re.findall(r'href="/stripe(/ui/stream\?before=[^"]+)"', page.text)
        path = older[0] if older else ""
    assert len(seen) == len(set(seen)) == 120


def test_odd_values_are_text_and_bounded(api: ApiServer, streams: Streams) -> None:
    metadata = {f"key {number}": MARKUP for number in range(10_000)}
    streams.customers(1, name="A", long="", metadata={})
    streams.customers(1, when=1, name=MARKUP, long="x" * 1_000_000, metadata=metadata)
    streams.customers(1, when=2, name=RIGHT_TO_LEFT, long=HALF, metadata=metadata)
    page = api.call("viewer", "GET", "/ui/stream")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<img" not in page.text
    assert f'mono">{RIGHT_TO_LEFT}</bdi>' in page.text
    assert len(page.text) < 60_000


async def read_messages(
    streams: Streams, selection: Selection, cursor: StreamCursor, write: Any, wanted: int
) -> list[dict[str, str]]:
    """The messages with changes of a live stream, while something is written."""
    from starlette.requests import Request

    scope = {"type": "http", "method": "GET", "path": "/stripe/ui/stream", "headers": []}
    request = Request({**scope, "root_path": "/stripe", "query_string": b""})
    found: list[dict[str, str]] = []
    async with StreamReader(streams.url) as reader:
        writing = asyncio.create_task(asyncio.to_thread(write))
        async for text in stream.live_parts(request, reader, selection, cursor):
            lines = [line.partition(": ") for line in text.decode().split("\n") if line]
            data = "\n".join(value for name, _, value in lines if name == "data")
            last = next((value for name, _, value in lines if name == "id"), "")
            if data:
                found.append({"data": data, "id": last})
            if len(found) == wanted:
                break
        await writing
    return found


def live_ids(messages: list[dict[str, str]]) -> list[str]:
    return [
        name for each in messages for name in re.findall(r"<bdi>(cus_\d+)</bdi></a>", each["data"])
    ]


def test_live_changes_neither_get_lost_nor_come_twice_after_a_reconnection(
    streams: Streams, connections: None
) -> None:
    selection = Selection.of("events", syncs=["north"])

    def one_by_one() -> None:
        streams.customers(1)
        streams.customers(2, name=MARKUP)

    first = asyncio.run(read_messages(streams, selection, StreamCursor(), one_by_one, 1))
    cursor = StreamCursor.parse(first[-1]["id"])
    rest = asyncio.run(read_messages(streams, selection, cursor, lambda: streams.customers(3), 1))
    if len(live_ids(first + rest)) < 3:  # the first message may have had the first change only
        cursor = StreamCursor.parse(rest[-1]["id"])
        rest += asyncio.run(read_messages(streams, selection, cursor, lambda: None, 1))
    assert sorted(live_ids(first + rest)) == ["cus_1", "cus_2", "cus_3"]
    assert "<script>" not in "".join(each["data"] for each in first + rest)


def test_of_a_burst_the_newest_come_with_the_number_of_the_others(
    streams: Streams, connections: None
) -> None:
    streams.customers(*range(1, 1_001))
    for conditions in ({}, {"collections": ["customer"]}):
        selection = Selection.of("events", **conditions)
        [message] = asyncio.run(read_messages(streams, selection, StreamCursor(), lambda: None, 1))
        assert len(live_ids([message])) == stream.PAGE
        assert "cus_1000" in live_ids([message])
        assert f'data-left-out="{1_000 - stream.PAGE}"' in message["data"]
        cursor = StreamCursor.parse(message["id"])
        assert cursor.positions[streams.id("north")] == 1_000


def test_the_live_route_refuses_what_can_never_be(api: ApiServer) -> None:
    for query, status in {"sync=none": 404, "after=none": 400, "collection=none": 400}.items():
        answer = api.call(
            "viewer", "GET", f"/ui/stream/live?{query}", headers={"HX-Request": "true"}
        )
        assert answer.status_code == status, query
        assert 'role="alert"' in answer.text


def test_differences_name_the_path_of_nested_values() -> None:
    event = {
        "event_type": "updated",
        "changes": {
            "address": {"city": "Bonn", "line2": None},
            "items": {"data": [{"id": "si_1", "quantity": 1, "price": {"id": "price_1"}}]},
            "tags": ["a"],
            "gone": True,
        },
        "data": {
            "address": {"city": "Berlin", "line2": "4th", "country": "DE"},
            "items": {"data": [{"id": "si_1", "quantity": 2, "price": {"id": "price_1"}}]},
            "tags": ["a", "b"],
        },
    }
    found = {each.path: (each.old.text, each.new.text) for each in difference_of(event).changes}
    assert found == {
        "address.city": ("Bonn", "Berlin"),
        "address.line2": ("null", "4th"),
        "gone": ("true", "not set"),
        "items.data.0.quantity": ("1", "2"),
        "tags": ('["a"]', '["a","b"]'),
    }


def test_money_and_times_are_readable() -> None:
    assert money(1250, "usd") == "12.50 USD"
    assert money(-1_000_000, "jpy") == "-1,000,000 JPY"
    assert money(5, "bhd") == "0.005 BHD"
    assert readable("created", 1_700_000_000, None) == "2023-11-14 22:13:20 UTC"
    assert readable("current_period_end", 1_700_000_000, "usd").startswith("2023")
    assert readable("amount_due", 1_700_000_000, "usd") == "17,000,000.00 USD"
    assert readable("quantity", 1_700_000_000, "usd") == ""
    assert readable("amount", 5, None) == ""
    big = value_of("big", [10**30], None)
    assert str(10**30) in big.text
