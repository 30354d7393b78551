"""Pull consumers over HTTP, in Airflow's own API server app."""

from __future__ import annotations

import gzip
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from dags.api_server import ApiServer, http_scope, serving
from integration.streams.conftest import Streams, make_streams
from integration.sync.poll.accounts import wait_until
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import create_consumer, get_consumer, pause_consumer
from stripe_sync.records.canonical_json import loads
from stripe_sync.warehouse import Warehouse

READER = "/v1/consumers/reader"
DOCS = Path(__file__).parents[2] / "docs" / "consumers" / "pull.md"
KILLS = int(os.environ.get("STRIPE_SYNC_TEST_KILLS", "12"))
SEED = int(os.environ.get("STRIPE_SYNC_TEST_SEED", "20261126"))


@pytest.fixture
def streams(connections: None) -> Iterator[Streams]:
    with Warehouse(warehouse_url()) as warehouse:
        yield make_streams(warehouse_url(), warehouse)


@pytest.fixture
def api(server: ApiServer, streams: Streams) -> Iterator[ApiServer]:
    yield server
    server.forget_warehouse()


def post(api: ApiServer, path: str, body: Any = None, status: int = 200) -> Any:
    answer = api.call("user", "POST", path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_items_are_taken_acknowledged_and_refused(api: ApiServer, streams: Streams) -> None:
    create_consumer(streams.url, "reader", "pull", stream="events")
    streams.customers(1, 2, 3)
    one = post(api, f"{READER}/next")
    assert [each["event"]["upstream_id"] for each in one["data"]] == ["cus_1"]
    assert one["info"] == {"num_pending": 2, "num_ack_pending": 1, "waits_for_acks": False}
    rest = post(api, "/v1/http-consumers/reader/next", {"batch_size": 10})
    tokens = [each["ack_token"] for each in [*one["data"], *rest["data"]]]
    assert post(api, f"{READER}/ack", {"ack_tokens": tokens[:1]}) == {"acked": 1, "expired": []}
    given = {"ack_tokens": [*tokens[:2], "nonsense"]}
    acked = post(api, "/v1/http-consumers/reader/ack", given)
    assert acked == {"acked": 1, "expired": [tokens[0], "nonsense"]}
    refused = post(api, f"{READER}/nack", {"ack_tokens": tokens})
    assert refused == {"nacked": 1, "expired": tokens[:2]}
    assert post(api, f"{READER}/next", {"wait_for": 1})["data"] == []


def test_records_have_their_own_key_and_long_answers_are_compressed(
    api: ApiServer, streams: Streams
) -> None:
    create_consumer(streams.url, "reader", "pull")
    streams.customers(1, text="é" * 5000)
    headers = {**api.headers("user"), "Accept-Encoding": "gzip"}
    path = f"/stripe{READER}/next"
    with api.client.stream("POST", path, headers=headers) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == "gzip"
    [each] = loads(gzip.decompress(body))["data"]
    assert each.keys() == {"ack_token", "record"}
    assert each["record"]["payload"]["text"] == "é" * 5000


def test_a_waiting_request_is_answered_by_the_next_change(api: ApiServer, streams: Streams) -> None:
    create_consumer(streams.url, "reader", "pull", stream="events")
    writing = threading.Timer(0.2, streams.customers, [1])
    writing.start()
    found = post(api, f"{READER}/next", {"batch_size": 5, "wait_for": 30_000})
    writing.join()
    assert len(found["data"]) == 1


def test_a_consumer_that_cannot_be_read_is_refused_with_the_reason(
    api: ApiServer, streams: Streams
) -> None:
    missing = post(api, f"{READER}/next", status=404)["error"]
    assert (missing["code"], missing["param"]) == ("resource_missing", "consumer_id")
    assert post(api, f"{READER}/ack", {"ack_tokens": ["x"]}, status=404)["error"]
    post(api, "/v1/consumers/%00/next", status=400)
    create_consumer(streams.url, "reader", "pull")
    pause_consumer(streams.url, "reader")
    paused = post(api, f"{READER}/next", status=409)["error"]
    assert (paused["code"], paused["message"]) == (
        "consumer_conflict",
        "the consumer reader is paused: resume it",
    )
    create_consumer(streams.url, "other", "kafka", connection_id="kafka")
    refused = post(api, "/v1/consumers/other/next", status=409)["error"]
    assert "of kind kafka" in refused["message"]


WRONG: list[tuple[str, Any, str]] = [
    ("next", {"batch_size": 0}, "batch_size"),
    ("next", {"batch_size": 1001}, "batch_size"),
    ("next", {"batch_size": "1"}, "batch_size"),
    ("next", {"wait_for": 30_001}, "wait_for"),
    ("next", {"wait_for": 10**30}, "wait_for"),
    ("next", {"size": 1}, "size"),
    ("ack", {}, "ack_tokens"),
    ("ack", {"ack_tokens": "x"}, "ack_tokens"),
    ("ack", {"ack_tokens": [1]}, "ack_tokens.0"),
    ("nack", {"ack_tokens": ["x"] * 10_001}, "ack_tokens"),
]


def test_what_is_wrong_is_named(api: ApiServer, streams: Streams) -> None:
    create_consumer(streams.url, "reader", "pull")
    for call, body, param in WRONG:
        error = post(api, f"{READER}/{call}", body, status=400)["error"]
        assert error["param"] == param, (call, body)


def test_what_a_caller_takes_who_is_gone_is_given_back(api: ApiServer, streams: Streams) -> None:
    """The request ends before its answer: the app sees it as ``http.disconnect``."""
    create_consumer(streams.url, "reader", "pull", stream="events")
    streams.customers(1, 2)

    messages = [
        {"type": "http.request", "body": b'{"batch_size": 2}', "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(_message: Any) -> None:
        """Nobody is there."""

    scope = http_scope("POST", f"/stripe{READER}/next", api.headers("user"))
    assert api.client.portal is not None
    api.client.portal.call(api.app, scope, receive, send)
    found = post(api, f"{READER}/next", {"batch_size": 2})
    assert len(found["data"]) == 2
    with psycopg.connect(streams.url) as connection:
        rows = connection.execute("SELECT deliveries FROM stripe_sync.consumer_items").fetchall()
    assert rows == [(1,), (1,)]


def run_worker_of_docs(address: str, token: str, streams: Streams) -> None:
    """Run the program as printed; it must have each change."""
    [program] = re.findall(r"```python\n(import json.*?)```", DOCS.read_text(), re.S)
    environment = {
        **os.environ,
        "STRIPE_API": f"{address}/v1",
        "TOKEN": token,
        "PYTHONUNBUFFERED": "1",
    }
    streams.customers(1)
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        first = next(worker.stdout)
        streams.customers(1, name="B", when=1)
        second = next(worker.stdout)
        # It is acknowledged after it is printed.
        wait_until(lambda: get_consumer(streams.url, "crm").delivered == 2)
        worker.kill()
    assert first == "created cus_1 None\n"
    assert second == "updated cus_1 {'name': None}\n"


def hang_up(port: int, token: str, rng: random.Random) -> None:
    """Ask for items, and close the connection before the answer, or in the middle of it."""
    body = b'{"batch_size": 3, "wait_for": 30000}'
    head = (
        f"POST /stripe/v1/consumers/crm/next HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}"
        f"\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head.encode() + body)
        time.sleep(rng.uniform(0, 0.03))  # where it ends is left to chance


def test_the_worker_of_the_docs_and_clients_that_hang_up(api: ApiServer, streams: Streams) -> None:
    create_consumer(streams.url, "crm", "pull", stream="events")
    rng, token = random.Random(SEED), api.token("user")
    with serving(api) as port:
        address = f"http://127.0.0.1:{port}/stripe"
        run_worker_of_docs(address, token, streams)
        for number in range(KILLS):
            if number % 3:
                streams.customers(*rng.sample(range(9), 3), v=number, when=2 + number)
            hang_up(port, token, rng)
        seen: dict[str, list[int]] = defaultdict(list)
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"{address}/v1/consumers/crm", headers=headers) as client:
            while get_consumer(streams.url, "crm").lag_items:
                # What was sent to those who did not read it comes again after its time.
                with psycopg.connect(streams.url) as connection:
                    connection.execute("UPDATE stripe_sync.consumer_items SET due_at = now()")
                data = client.post("/next", json={"batch_size": 100}).json()["data"]
                for each in data:
                    seen[each["event"]["upstream_id"]].append(each["event"]["seq"])
                tokens = [each["ack_token"] for each in data]
                client.post("/ack", json={"ack_tokens": tokens}).raise_for_status()
    with psycopg.connect(streams.url) as connection:
        written = connection.execute(
            "SELECT seq FROM stripe_raw.events WHERE seq > 2 ORDER BY seq"
        ).fetchall()
    assert sorted((seq,) for seqs in seen.values() for seq in seqs) == written
    for seqs in seen.values():
        assert seqs == sorted(seqs)
