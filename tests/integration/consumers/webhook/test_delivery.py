"""Webhook consumers, from the warehouse to the receiver."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web

from integration.consumers.webhook.delivering import CONNECTION, find_connection, start
from integration.consumers.webhook.receiver import (
    LOOPBACK,
    Received,
    Receiver,
    accept,
    always,
    receiving_in_thread,
)
from integration.streams.conftest import Streams
from stripe_sync import (
    ConsumerInfo,
    Selection,
    create_consumer,
    deliver,
    get_consumer,
    iterate_stream,
    resume_consumer,
)
from warehouse_rows import execute

PATIENCE = 60.0
KILLS = int(os.environ.get("STRIPE_SYNC_TEST_KILLS", "5"))
OBJECTS = 20


def create(streams: Streams, url: str, name: str = "hook", **values: object) -> None:
    settings = {"url": url, "allow_http": True, "allow_addresses": list(LOOPBACK)}
    create_consumer(
        streams.url,
        name,
        "webhook",
        connection_id=CONNECTION,
        settings=settings | values.pop("settings", {}),  # type: ignore[operator]
        stream=str(values.pop("stream", "events")),
        **values,
    )


@contextmanager
def delivering(streams: Streams) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(
        target=deliver,
        args=(streams.url, find_connection),
        kwargs={"is_stopping": stop.is_set},
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def consumer(streams: Streams, name: str = "hook") -> ConsumerInfo:
    return get_consumer(streams.url, name)


@pytest.mark.parametrize("stream", ["records", "events"])
def test_a_receiver_gets_what_the_stream_has(streams: Streams, stream: str) -> None:
    streams.customers(*range(30))
    with receiving_in_thread() as receiver, delivering(streams):
        create(streams, receiver.url, stream=stream)
        streams.customers(3, 4, name="new")
        until(lambda: consumer(streams).lag_items == 0)
        last = {each.json["upstream_id"]: each.body for each in receiver.received}
    found = [item for item, _ in iterate_stream(streams.url, Selection.of(stream))]
    assert last == {item.upstream_id: item.body for item in found}
    for received in receiver.received:
        received.verify()


def test_a_receiver_that_says_gone_pauses_its_consumer_until_it_is_resumed(
    streams: Streams,
) -> None:
    streams.customers(*range(5))
    with receiving_in_thread(always(410)) as receiver, delivering(streams):
        create(streams, receiver.url)
        until(lambda: consumer(streams).status == "paused")
        assert "410 Gone" in (consumer(streams).pause_reason or "")
        receiver.answer = accept
        resume_consumer(streams.url, "hook")
        until(lambda: consumer(streams).delivered == 5)


def test_a_receiver_that_is_down_is_asked_again_until_it_is_back(streams: Streams) -> None:
    streams.customers(*range(50))
    with receiving_in_thread(always(500)) as receiver, delivering(streams):
        create(streams, receiver.url)
        until(lambda: "500" in (consumer(streams).last_error or ""))
        assert consumer(streams).status == "failing"
        receiver.answer = accept
        until(lambda: consumer(streams).status == "active")
        until(lambda: consumer(streams).delivered == 50)


def test_a_receiver_that_hangs_delays_no_other_consumer_and_no_other_object(
    streams: Streams,
) -> None:
    async def answer(received: Received) -> web.StreamResponse:
        if received.json["upstream_id"] == "cus_1":
            await asyncio.sleep(PATIENCE)
        return web.Response()

    async def hang(_: Received) -> web.StreamResponse:
        await asyncio.sleep(PATIENCE)
        return web.Response()

    with (
        receiving_in_thread(answer) as partly,
        receiving_in_thread(hang) as hanging,
        receiving_in_thread() as well,
        delivering(streams),
    ):
        for name, receiver in (("partly", partly), ("hanging", hanging), ("well", well)):
            create(streams, receiver.url, name, settings={"timeout_seconds": 30})
        for number in range(20):
            streams.customers(1, 2, step=number)
        until(lambda: consumer(streams, "well").delivered == 40)
        until(lambda: consumer(streams, "partly").delivered == 20)
        assert len([1 for each in partly.received if each.json["upstream_id"] == "cus_1"]) == 1
        assert consumer(streams, "hanging").delivered == 0
        partly.answer = hanging.answer = accept


def test_a_private_address_is_named_and_not_reached(streams: Streams) -> None:
    streams.customers(1)
    with receiving_in_thread() as receiver, delivering(streams):
        create(streams, receiver.url, settings={"allow_addresses": []})
        until(lambda: consumer(streams).status == "failing")
        error = consumer(streams).last_error or ""
        assert "127.0.0.1 is not a public address" in error
        assert "QUERY_SECRET" not in error
        assert receiver.received == []


def test_each_item_arrives_in_order_whenever_the_delivery_is_killed(streams: Streams) -> None:
    chance = random.Random(7)
    accepted: list[Received] = []

    async def answer(received: Received) -> web.StreamResponse:
        kind = chance.random()
        if kind < 0.01:
            return web.Response(status=500)
        accepted.append(received)
        if kind < 0.02:
            await asyncio.sleep(1.2)
        return web.Response()

    written = 0
    with receiving_in_thread(answer) as receiver:
        create(streams, receiver.url)
        for _ in range(KILLS):
            for _ in range(chance.randrange(1, 12)):
                streams.customers(*chance.sample(range(OBJECTS), 5), step=written)
                written += 5
            enough = len(accepted) + chance.randrange(1, 60)
            process = start(streams.url)
            until(lambda: len(accepted) >= min(enough, written))  # noqa: B023
            time.sleep(chance.random() * 0.02)  # also while a batch is committed
            process.kill()
            process.join()
            # Nobody else would deliver before the lease of a dead process ends.
            execute(streams.url, "UPDATE stripe_sync.consumers SET lease_until = NULL")
            resume_consumer(streams.url, "hook")
        with delivering(streams):
            while (found := consumer(streams)).lag_items or found.pending:
                resume_consumer(streams.url, "hook")  # what failed is due now
                time.sleep(2)
        check(receiver, accepted, written)


def check(receiver: Receiver, accepted: list[Received], written: int) -> None:
    assert receiver.unsigned == []
    firsts = {each.id: each.json for each in reversed(accepted)}
    assert sorted(each["seq"] for each in firsts.values()) == list(range(1, written + 1))
    orders = defaultdict(list)
    for id_ in dict.fromkeys(each.id for each in accepted):
        orders[firsts[id_]["upstream_id"]].append(firsts[id_]["seq"])
    assert all(order == sorted(order) for order in orders.values())
    # What was under way comes twice, and no more than a batch of it.
    assert len(accepted) < written + KILLS * 150
