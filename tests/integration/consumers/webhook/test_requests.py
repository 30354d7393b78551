"""What a receiver gets: signed items, in order for each object, side by side for different ones."""

from __future__ import annotations

import asyncio
import datetime

import pytest
from aiohttp import web
from standardwebhooks.webhooks import WebhookVerificationError

from integration.consumers.webhook.receiver import (
    SECRET,
    Drip,
    Received,
    always,
    batch,
    event,
    receiving,
    record,
    seqs,
    settled,
    sink_to,
)
from stripe_sync.consumers.sink import Outcome
from stripe_sync.consumers.sinks.webhook import new_webhook_secret
from stripe_sync.streams.selection import Stream


def test_an_item_arrives_as_it_is_with_a_signature_that_the_library_accepts() -> None:
    item = event(1, name="cus_é😀\u2028", text='"\\ \x7f ünï')

    async def run() -> None:
        async with receiving() as receiver, sink_to(receiver.url) as sink:
            assert await sink.deliver(batch(item)) == Outcome()
            (received,) = receiver.received
            assert received.body == item.body
            assert received.headers["content-type"] == "application/json"
            assert received.headers["user-agent"].startswith("airflow-stripe-sync/")
            assert received.id == item.json()["id"]
            received.verify()
            with pytest.raises(WebhookVerificationError):
                received.verify(new_webhook_secret())

    asyncio.run(run())


def test_while_secrets_are_rotated_a_receiver_may_know_either() -> None:
    old, new = new_webhook_secret(), new_webhook_secret()

    async def run() -> None:
        async with receiving() as receiver, sink_to(receiver.url, secret=f"{new} {old}") as sink:
            await sink.deliver(batch(event(1)))
            (received,) = receiver.received
            received.verify(old)
            received.verify(new)
            with pytest.raises(WebhookVerificationError):
                received.verify(SECRET)

    asyncio.run(run())


def test_a_try_has_the_same_id_and_a_time_of_its_own() -> None:
    async def run() -> list[Received]:
        async with receiving(always(400)) as receiver, sink_to(receiver.url) as sink:
            for _ in range(2):
                await sink.deliver(batch(event(1)))
                await asyncio.sleep(1.05)  # timestamps have whole seconds
            return receiver.received

    first, second = asyncio.run(run())
    assert first.id == second.id
    assert int(first.headers["webhook-timestamp"]) < int(second.headers["webhook-timestamp"])
    now = datetime.datetime.now(datetime.UTC).timestamp()
    assert abs(int(second.headers["webhook-timestamp"]) - now) < 60
    first.verify()
    second.verify()


def test_each_state_of_a_record_has_an_id_without_dots() -> None:
    states = [
        record(1, "cus_1", 7),
        record(2, "cus_2", 7),
        record(3, "cus_1", 8),
        # Of a warehouse that was restored, and of a sync that was made anew under its name.
        record(4, "cus_1", 7, payload_hash="0b"),
        record(5, "cus_1", 7, inserted_at="2026-11-02T00:00:00.000000Z"),
    ]

    async def ids(*items: object) -> list[str]:
        async with (
            receiving() as receiver,
            sink_to(receiver.url, stream=Stream.RECORDS) as sink,
        ):
            await sink.deliver(batch(*items))  # type: ignore[arg-type]
            for received in receiver.received:
                received.verify()
            return sorted(received.id for received in receiver.received)

    first = asyncio.run(ids(*states))
    assert len(set(first)) == 5
    assert not any("." in each for each in first)
    assert asyncio.run(ids(*states)) == first


def test_the_items_of_an_object_come_one_after_the_other_and_others_side_by_side() -> None:
    items = [event(seq, name=f"cus_{seq % 20}") for seq in range(1, 201)]

    async def answer(_: Received) -> web.StreamResponse:
        await asyncio.sleep(0.005)
        return web.Response()

    async def run() -> None:
        async with receiving(answer) as receiver, sink_to(receiver.url, concurrency=7) as sink:
            assert await sink.deliver(batch(*items)) == Outcome()
            assert sorted(receiver.seqs) == list(range(1, 201))
            for name in range(20):
                own = [seq for seq in receiver.seqs if seq % 20 == name]
                assert own == sorted(own)
            assert receiver.overlaps == []
            assert receiver.most_at_once == 7

    asyncio.run(run())


def test_an_item_that_fails_keeps_back_those_of_its_object_and_no_others() -> None:
    async def answer(received: Received) -> web.StreamResponse:
        return web.Response(status=422 if received.json["seq"] == 2 else 200)

    items = [event(1, "a"), event(2, "a"), event(3, "b"), event(4, "a"), event(5, "a")]

    async def run() -> None:
        async with receiving(answer) as receiver, sink_to(receiver.url) as sink:
            outcome = await sink.deliver(batch(*items))
            assert seqs(outcome.failed) == [2]
            assert seqs(outcome.skipped) == [4, 5]
            assert sorted(receiver.seqs) == [1, 2, 3]
            (failure,) = outcome.failed.values()
            assert "422" in failure.error
            assert not failure.is_final

    asyncio.run(run())


def test_a_body_of_some_megabytes_arrives() -> None:
    item = event(1, text=9_000_000 * "x")

    async def run() -> None:
        async with receiving() as receiver, sink_to(receiver.url) as sink:
            assert await sink.deliver(batch(item)) == Outcome()
            receiver.received[0].verify()

    asyncio.run(run())


@pytest.mark.parametrize("part", [b"x", (1 << 20) * b"x"], ids=["drips", "is huge"])
@pytest.mark.parametrize("status", [200, 400])
def test_the_status_counts_where_an_answer_never_ends(part: bytes, status: int) -> None:
    drip = Drip(status, part, 0.01)

    async def answer(_: Received) -> web.StreamResponse:
        return drip

    async def run() -> None:
        async with receiving(answer) as receiver, sink_to(receiver.url) as sink:
            failed = await settled(sink, await sink.deliver(batch(event(1))))
            assert seqs(failed) == ([] if status == 200 else [1])
            while receiver.open_now["cus_1"]:  # until the sender has gone
                await asyncio.sleep(0.01)

    asyncio.run(run())
    assert drip.sent < 1 << 24


def test_a_connection_serves_many_requests() -> None:
    async def answer(_: Received) -> web.StreamResponse:
        return web.Response(text="thanks")

    async def run() -> None:
        async with receiving(answer) as receiver, sink_to(receiver.url, concurrency=2) as sink:
            await sink.deliver(batch(*(event(seq) for seq in range(1, 30))))
            assert len(receiver.peers) <= 2

    asyncio.run(run())
