"""The streams over HTTP, in Airflow's own API server app."""

from __future__ import annotations

import gzip
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dags.api_server import ApiServer
from integration.streams.conftest import Streams, customer, make_streams
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync.records.canonical_json import loads
from stripe_sync.warehouse import Warehouse
from warehouse_rows import rows


@pytest.fixture
def streams(connections: None) -> Any:
    with Warehouse(warehouse_url()) as warehouse:
        yield make_streams(warehouse_url(), warehouse)


@pytest.fixture
def api(server: ApiServer, streams: Streams) -> Iterator[ApiServer]:
    yield server
    server.forget_warehouse()


def get(api: ApiServer, path: str, status: int = 200, **options: Any) -> Any:
    answer = api.call("viewer", "GET", path, **options)
    assert answer.status_code == status, answer.text
    return answer.json()


def upstream_ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["upstream_id"] for item in items]


def test_pages_are_read_to_the_end_and_go_on(api: ApiServer, streams: Streams) -> None:
    streams.customers(*range(5))
    streams.customers(5, sync="south")
    seen, cursor = [], ""
    while True:
        page = get(api, f"/v1/records?limit=2{cursor}")
        seen += upstream_ids(page["records"])
        cursor = f"&after_cursor={page['cursor']}"
        if not page["has_more"]:
            break
    assert sorted(seen) == [f"cus_{number}" for number in range(6)]
    streams.customers(2, name="B", when=1)
    assert upstream_ids(get(api, f"/v1/records?limit=2{cursor}")["records"]) == ["cus_2"]
    (event,) = get(api, f"/v1/events?wait_for=1{cursor}")["events"]
    assert (event["event_type"], event["changes"]) == ("updated", {"name": None})


def test_pages_beside_four_writers_have_every_change_once_and_in_order(
    api: ApiServer, streams: Streams
) -> None:
    done = threading.Event()

    def write(seed: int) -> None:
        rng = random.Random(seed)
        for when in range(20):
            several = (customer(rng.randrange(40), n=rng.random(), when=when) for _ in range(3))
            streams.write(*several, sync=rng.choice(["north", "south"]))

    def follow(stream: str, seen: list[tuple[str, int]]) -> None:
        cursor = ""
        while True:
            finished = done.is_set()
            page = get(api, f"/v1/{stream}?limit=7&wait_for=50{cursor}")
            seen += [(each["sync_id"], each["seq"]) for each in page[stream]]
            cursor = f"&after_cursor={page['cursor']}"
            if finished and not page[stream]:
                return

    events: list[tuple[str, int]] = []
    records: list[tuple[str, int]] = []
    readers = [
        threading.Thread(target=follow, args=each)
        for each in (("events", events), ("records", records))
    ]
    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in [*readers, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    written = rows(streams.url, "SELECT sync_id::text, seq FROM stripe_raw.events")
    current = rows(streams.url, "SELECT sync_id::text, seq FROM stripe_raw.records")
    for sync in ("north", "south"):
        own = [seq for each, seq in events if each == str(streams.id(sync))]
        assert own == sorted(own)
    assert sorted(events) == sorted(written)
    # A record may have been read at earlier places too.
    assert set(records) >= set(current)
    assert len(records) == len(set(records))


def test_repeated_parameters_select_several(api: ApiServer, streams: Streams) -> None:
    streams.customers(1)
    streams.customers(1, collection="charge")
    streams.customers(1, collection="refund")
    query = "collection_id=stripe.charge&collection_id=stripe:refund&sync_id=north"
    assert upstream_ids(get(api, f"/v1/events?{query}&event_type=created")["events"]) == [
        "cha_1",
        "ref_1",
    ]


def test_a_waiting_request_is_answered_by_the_next_change(api: ApiServer, streams: Streams) -> None:
    writing = threading.Timer(0.2, streams.customers, [1])
    writing.start()
    page = get(api, "/v1/events?wait_for=30000")
    writing.join()
    assert upstream_ids(page["events"]) == ["cus_1"]


def test_a_record_by_its_id(api: ApiServer, streams: Streams) -> None:
    streams.customers(1, name="A")
    assert get(api, "/v1/records/stripe:customer/cus_1")["payload"]["name"] == "A"
    found = get(api, "/v1/records/customer/cus_1?sync_id=north&wait_for_seq=1")
    assert found["seq"] == 1
    behind = get(
        api, "/v1/records/customer/cus_1?sync_id=north&wait_for_seq=2&wait_for=10", status=504
    )
    assert behind["error"]["code"] == "stream_behind"
    streams.customers(1, sync="south")
    several = get(api, "/v1/records/customer/cus_1", status=400)
    assert several["error"]["param"] == "sync_id"


def test_an_id_may_have_a_slash(api: ApiServer, streams: Streams) -> None:
    streams.write(customer(1, collection="coupon"))
    found = get(api, "/v1/records/coupon/a/b", status=404)["error"]
    assert (found["code"], found["message"]) == (
        "resource_missing",
        "there is no record coupon a/b",
    )


def test_answers_are_compressed_once(api: ApiServer, streams: Streams) -> None:
    streams.customers(1, text="x" * 5000)
    for encoding in ("identity", "gzip"):
        headers = {**api.headers("viewer"), "Accept-Encoding": encoding}
        with api.client.stream("GET", "/stripe/v1/records", headers=headers) as answer:
            body = b"".join(answer.iter_raw())
        compressed = answer.headers.get("Content-Encoding") == "gzip"
        assert compressed == (encoding == "gzip")
        page = loads(gzip.decompress(body) if compressed else body)
        assert upstream_ids(page["records"]) == ["cus_1"]


WRONG = [
    ("/v1/records?limit=0", 400, "limit"),
    ("/v1/records?limit=1001", 400, "limit"),
    (f"/v1/records?limit={10**30}", 400, "limit"),
    ("/v1/events?wait_for=30001", 400, "wait_for"),
    ("/v1/events?wait_for=-1", 400, "wait_for"),
    ("/v1/events?after_cursor=", 400, "after_cursor"),
    ("/v1/events?after_cursor=%00%ff", 400, "after_cursor"),
    ("/v1/events/live?after_cursor=AQ%3D%3D", 400, "after_cursor"),
    ("/v1/records?event_type=created", 400, "event_type"),
    ("/v1/events?event_type=%00", 400, "event_type"),
    ("/v1/events?collection_id=customr", 400, "collection_id"),
    ("/v1/events?collection_id=%00", 400, "collection_id"),
    ("/v1/events?upstream_id=%00", 400, "upstream_id"),
    ("/v1/events?upstream_id=%ed%a0%80", 200, None),
    ("/v1/events?resource_id=1", 400, "resource_id"),
    ("/v1/events?sync_id=%00", 404, "sync_id"),
    ("/v1/events?sync=north", 400, "sync"),
    ("/v1/records/customer/%00", 400, "upstream_id"),
    ("/v1/records/customr/cus_1", 400, "collection_id"),
    ("/v1/records/customer/cus_1?wait_for_seq=9", 400, "sync_id"),
    (
        f"/v1/records/customer/cus_1?sync_id=north&wait_for_seq={2**70}&wait_for=0",
        504,
        "wait_for_seq",
    ),
]


def test_what_is_wrong_is_named(api: ApiServer, streams: Streams) -> None:
    for path, status, param in WRONG:
        answer = get(api, path, status)
        assert status == 200 or answer["error"]["param"] == param, path
