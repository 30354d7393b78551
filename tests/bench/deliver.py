"""Delivery to consumers in one task: items a second, and seconds from a commit to its delivery."""

from __future__ import annotations

import asyncio
import base64
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from typing import Any

import psycopg
from aiohttp import web

from bench.environment import SYNC, UNLIMITED, BenchEnvironment
from bench.measure import Measured, percentile
from databases import new_database
from kafka_broker import running_broker
from stripe_sync import (
    TargetConnection,
    backfill,
    create_consumer,
    delete_consumer,
    deliver,
    get_consumer,
)
from stripe_sync.libpq import connection_parameters
from stripe_sync.records import canonical_json

CUSTOMERS = 20_000
CHANGES = 1_000
CHANGES_PER_SECOND = 50
PATIENCE = 120.0

_SPAWN = multiprocessing.get_context("spawn")
_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
_RATES = {"postgres": ">= 3000", "kafka": ">= 3000", "webhook": ">= 500"}

_CHANGE = """
WITH change AS (
    INSERT INTO stripe_raw.events (sync_id, seq, id, resource_id, collection_id, upstream_id,
        event_type, data, created_at, upstream_updated_at, source, api_version)
    SELECT e.sync_id, p.last_seq + 1, gen_random_uuid(), e.resource_id, e.collection_id,
        e.upstream_id, 'updated', e.data, now(), now(), 'poll', e.api_version
    FROM stripe_sync.stream_position AS p JOIN stripe_raw.events AS e
        ON e.sync_id = p.sync_id AND e.seq = %s
    RETURNING sync_id, seq
)
UPDATE stripe_sync.stream_position AS p SET last_seq = change.seq
FROM change WHERE p.sync_id = change.sync_id RETURNING p.last_seq
"""

Arrivals = dict[int, float]
"""Time of arrival by stream position, in seconds of the monotonic counter, which all processes of a
machine share."""


def measure(env: BenchEnvironment) -> list[Measured]:
    """All records of a collection to each kind of target, then changes one by one."""
    env.sandbox(latency=0, limited=False)
    env.control.seed({"customer": CUSTOMERS}, livemode=True)
    results = []
    with env.sync(**UNLIMITED) as base, running_broker() as broker, _receiver() as receiver:
        url = base.warehouse_url
        backfill(base, SYNC, ["customer"])
        with new_database(env.postgres_url) as target_url:
            targets = {
                "postgres": _postgres(target_url),
                "kafka": TargetConnection(
                    "kafka", "kafka", extra={"bootstrap.servers": broker.servers}
                ),
                "webhook": TargetConnection("webhook", "http", password=_SECRET),
            }
            settings = {"postgres": {}, "kafka": {}, "webhook": receiver.settings}
            arrivals: dict[str, Callable[[], Any]] = {
                "postgres": lambda: _arrivals_in_postgres(target_url),
                "kafka": lambda: _arrivals_in_kafka(broker.servers),
                "webhook": receiver.arrivals,
            }
            for kind, target in _RATES.items():
                env.log(f"{CUSTOMERS} records to {kind} …")
                rate = _rate(url, kind, targets, settings[kind])
                results.append(Measured(f"deliver.{kind}.per_second", rate, "items/s", target))
                env.log(f"{CHANGES_PER_SECOND} changes a second to {kind} …")
                latency = _latency(url, kind, targets, settings[kind], arrivals[kind])
                results.append(Measured(f"deliver.{kind}.p99_s", latency, "s", "<= 0.3"))
    return results


def _postgres(url: str) -> TargetConnection:
    fields = connection_parameters(url)
    extra = {"host": fields["host"]} if "/" in fields["host"] else {}
    return TargetConnection(
        *("postgres", "postgres"),
        host=None if extra else fields["host"],
        port=int(fields.get("port", 5432)),
        login=fields["user"],
        password=fields.get("password"),
        schema=fields["dbname"],
        extra=extra,
    )


def _rate(
    url: str, kind: str, targets: Mapping[str, TargetConnection], settings: dict[str, Any]
) -> float:
    """Items a second from the first delivery to the last."""
    create_consumer(url, "bench", kind, connection_id=kind, settings=settings)
    with _delivering(url, targets):
        first, began = _until(url, lambda delivered: delivered > 0)
        _, ended = _until(url, lambda delivered: delivered >= CUSTOMERS)
    delete_consumer(url, "bench")
    return (CUSTOMERS - first) / (ended - began) if first < CUSTOMERS else float("inf")


def _latency(
    url: str,
    kind: str,
    targets: Mapping[str, TargetConnection],
    settings: dict[str, Any],
    arrivals: Callable[[], Any],
) -> float:
    """99th percentile of the seconds from a commit to the arrival."""
    create_consumer(
        *(url, "bench", kind),
        stream="events",
        deliver_policy="new",
        connection_id=kind,
        settings=settings | ({"table": "changes"} if kind == "postgres" else {}),
    )
    with _delivering(url, targets), psycopg.connect(url, autocommit=True) as sql:
        sql.execute(_CHANGE, [1])  # opens the target
        _until(url, lambda delivered: delivered > 0)
        with arrivals() as arrived:
            committed: Arrivals = {}
            began = time.monotonic()
            for number in range(CHANGES):
                time.sleep(max(0.0, began + number / CHANGES_PER_SECOND - time.monotonic()))
                with sql.transaction():
                    row = sql.execute(_CHANGE, [number % CUSTOMERS + 1]).fetchone()
                    sql.execute("SELECT pg_notify('stripe_sync', '')")
                assert row is not None
                committed[row[0]] = time.monotonic()
            until = time.monotonic() + PATIENCE
            while not committed.keys() <= arrived.keys():
                assert time.monotonic() < until, "not everything was delivered"
                time.sleep(0.05)
            seconds = [arrived[seq] - at for seq, at in committed.items()]
    delete_consumer(url, "bench")
    return percentile(seconds, 0.99)


def _until(url: str, condition: Callable[[int], bool]) -> tuple[int, float]:
    """Wait for the consumer; returns its count, and when that was."""
    until = time.monotonic() + PATIENCE
    while True:
        consumer = get_consumer(url, "bench")
        if condition(consumer.delivered):
            return consumer.delivered, time.monotonic()
        assert time.monotonic() < until, consumer
        time.sleep(0.05)


@contextmanager
def _delivering(url: str, targets: Mapping[str, TargetConnection]) -> Iterator[None]:
    """One task that delivers, in a process of its own."""
    process = _SPAWN.Process(target=_deliver, args=(url, dict(targets)), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join(10)


def _deliver(url: str, targets: dict[str, TargetConnection]) -> None:
    deliver(url, targets.__getitem__)


@contextmanager
def _arrivals_in_postgres(url: str) -> Iterator[Arrivals]:
    arrived: Arrivals = {}
    over = threading.Event()

    def look() -> None:
        last = 0
        with psycopg.connect(url, autocommit=True) as sql:
            while not over.wait(0.005):
                query = "SELECT seq FROM stripe.changes WHERE seq > %s"
                for (seq,) in sql.execute(query, [last]).fetchall():
                    arrived[seq] = time.monotonic()
                    last = max(last, seq)

    with _thread(look, over):
        yield arrived


@contextmanager
def _arrivals_in_kafka(servers: str) -> Iterator[Arrivals]:
    from confluent_kafka import OFFSET_END, Consumer, TopicPartition

    arrived: Arrivals = {}
    over, ready = threading.Event(), threading.Event()

    def look() -> None:
        settings = {"bootstrap.servers": servers, "group.id": "bench", "fetch.wait.max.ms": 10}
        consumer = Consumer(settings)
        partitions = consumer.list_topics(timeout=10).topics["stripe.customer"].partitions
        consumer.assign(
            [TopicPartition("stripe.customer", each, OFFSET_END) for each in partitions]
        )
        consumer.poll(1.0)
        ready.set()
        while not over.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                arrived[int(dict(message.headers())["seq"])] = time.monotonic()
        consumer.close()

    with _thread(look, over):
        ready.wait(PATIENCE)
        yield arrived


@contextmanager
def _thread(look: Callable[[], None], over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Receiver:
    """A receiver of webhooks in a process of its own."""

    def __init__(self, port: int, pipe: Pipe) -> None:
        self.settings = {
            "url": f"http://127.0.0.1:{port}/",
            "allow_http": True,
            "allow_addresses": ["127.0.0.0/8"],
        }
        self._pipe = pipe

    @contextmanager
    def arrivals(self) -> Iterator[Mapping[int, float]]:
        """What has come, read anew each time that its keys are asked for."""
        pipe = self._pipe

        class Arrived(dict[int, float]):
            def keys(self) -> Any:
                pipe.send(None)
                self.update(pipe.recv())
                return super().keys()

        yield Arrived()


@contextmanager
def _receiver() -> Iterator[_Receiver]:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_receive, args=(theirs,), daemon=True)
    process.start()
    try:
        yield _Receiver(ours.recv(), ours)
    finally:
        process.terminate()
        process.join(10)


def _receive(pipe: Pipe) -> None:
    asyncio.run(_serve(pipe))


async def _serve(pipe: Pipe) -> None:
    arrived: Arrivals = {}

    async def receive(request: web.Request) -> web.Response:
        item = canonical_json.loads(await request.read())
        arrived[item["seq"]] = time.monotonic()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pipe.send(runner.addresses[0][1])
    while True:
        await asyncio.to_thread(pipe.recv)
        pipe.send(dict(arrived))
