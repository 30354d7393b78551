"""Targets that take long: they hold up no other object, and in the end they count as down."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from integration.consumers.webhook.receiver import (
    Answer,
    Received,
    Receiver,
    accept,
    batch,
    event,
    receiving,
    seqs,
    settled,
    sink_to,
)
from stripe_sync.consumers.sink import Outcome, TargetError

FOREVER = 3_600.0
WORKED = {"has_worked": True, "unclear_failures": 0}


def hanging(name: str = "", seconds: float = FOREVER) -> Answer:
    """Answers late: for one object, or for all."""

    async def answer(received: Received) -> web.StreamResponse:
        if name in ("", received.json["upstream_id"]):
            await asyncio.sleep(seconds)
        return web.Response()

    return answer


async def nothing_goes_on(receiver: Receiver) -> None:
    """Until the sender has left, which it does long before its time to wait is over."""
    async with asyncio.timeout(10):
        while any(receiver.open_now.values()):
            await asyncio.sleep(0.01)


def test_a_slow_target_does_not_hold_a_batch_for_ever() -> None:
    async def run() -> None:
        receiver_of = receiving(hanging(seconds=0.5))
        async with receiver_of as receiver, sink_to(receiver.url, concurrency=1) as sink:
            items = [event(number, f"cus_{number}") for number in range(1, 31)]
            outcome = await sink.deliver(batch(*items))
            assert not outcome.failed
            left = {*outcome.skipped, *outcome.unfinished}
            assert 1 < len(left) < len(items)
            assert len(receiver.received) < len(items)

    asyncio.run(run())


def test_an_object_whose_request_hangs_holds_up_no_other() -> None:
    async def run() -> None:
        released = asyncio.Event()

        async def answer(received: Received) -> web.StreamResponse:
            if received.json["upstream_id"] == "slow":
                await released.wait()
            return web.Response()

        async with receiving(answer) as receiver, sink_to(receiver.url) as sink:
            outcome = await sink.deliver(
                batch(event(1), event(2, "slow"), event(3), event(4, "slow"), event(5))
            )
            assert seqs(outcome.unfinished) == [2]
            assert seqs(outcome.skipped) == [4]
            assert not outcome.failed
            assert not outcome.finished
            # It goes on; nothing else of its object is sent.
            outcome = await sink.deliver(batch(event(6), event(7, "slow")))
            assert outcome == Outcome(skipped=frozenset({event(7).key}))
            assert sorted(receiver.seqs) == [1, 2, 3, 5, 6]
            released.set()
            while not (outcome := await sink.deliver(batch())).finished:
                assert outcome == Outcome()
                await asyncio.sleep(0.01)
            assert outcome == Outcome(finished=frozenset({event(2).key}))
            assert await sink.deliver(batch(event(4, "slow"), again=True)) == Outcome()
            assert sorted(receiver.seqs) == [1, 2, 3, 4, 5, 6]
            assert receiver.overlaps == []

    asyncio.run(run())


def test_it_is_given_up_after_the_time_that_is_set() -> None:
    async def run() -> None:
        async with (
            receiving(hanging("slow")) as receiver,
            sink_to(receiver.url, timeout_seconds=1.5) as sink,
        ):
            items = [event(1), event(2, "slow"), event(3, "slow")]
            outcome = await sink.deliver(batch(*items))
            assert seqs(outcome.unfinished) == [2]
            (failure,) = (await settled(sink, outcome)).values()
            assert "did not answer within 1.5 s" in failure.error
            # It is the failure of that object, for another one was delivered.
            assert await sink.deliver(batch(event(4))) == Outcome()
            # What it leaves behind is not tried before the engine knows.
            receiver.answer = accept
            assert await sink.deliver(batch(event(2, "slow"), again=True)) == Outcome()

    asyncio.run(run())


def test_a_target_that_hangs_for_all_is_asked_for_few_of_many_items() -> None:
    async def run() -> None:
        async with (
            receiving(hanging()) as receiver,
            sink_to(receiver.url, timeout_seconds=1, concurrency=4) as sink,
        ):
            for _ in range(2):
                with pytest.raises(TargetError, match="did not answer within 1 s"):
                    await sink.deliver(batch(*(event(seq) for seq in range(1, 1_001))))
            # No more than two rounds: the failures of one may let others begin.
            assert len(receiver.received) <= 16
            await nothing_goes_on(receiver)
            receiver.answer = accept
            assert await sink.deliver(batch(event(1))) == Outcome()

    asyncio.run(run())


def test_a_target_that_hangs_counts_as_down_where_items_come_one_by_one() -> None:
    async def run() -> None:
        async with (
            receiving(hanging()) as receiver,
            sink_to(receiver.url, timeout_seconds=1.5, position=WORKED) as sink,
        ):
            failed = {}
            for seq in (1, 2):
                outcome = await sink.deliver(batch(event(seq)))
                assert seqs(outcome.unfinished) == [seq]
                failed |= await settled(sink, outcome)
            assert seqs(failed) == [1, 2]
            for _ in range(3):
                with pytest.raises(TargetError, match="did not answer"):
                    await sink.deliver(batch(event(3)))
            receiver.answer = accept
            assert await sink.deliver(batch(event(3))) == Outcome()

    asyncio.run(run())


def test_what_is_slow_but_answers_is_no_failure() -> None:
    async def run() -> None:
        async with (
            receiving(hanging(seconds=1.2)) as receiver,
            sink_to(receiver.url, concurrency=3) as sink,
        ):
            items = [event(seq, name=f"cus_{seq % 6}") for seq in range(1, 9)]
            outcome = await sink.deliver(batch(*items))
            assert not outcome.failed
            assert outcome.unfinished
            assert await settled(sink, outcome) == {}
            assert sorted(receiver.seqs) == list(range(1, 9))
            assert receiver.most_at_once <= 3

    asyncio.run(run())


def test_closing_gives_up_what_is_under_way() -> None:
    async def run() -> None:
        async with receiving(hanging()) as receiver:
            async with sink_to(receiver.url) as sink:
                outcome = await sink.deliver(batch(event(1), event(2)))
                assert seqs(outcome.unfinished) == [1, 2]
            await nothing_goes_on(receiver)
        await sink.close()

    asyncio.run(run())


def test_a_delivery_that_is_cancelled_leaves_nothing_behind() -> None:
    async def run() -> None:
        async with receiving(hanging()) as receiver, sink_to(receiver.url) as sink:
            task = asyncio.create_task(sink.deliver(batch(*(event(n) for n in range(1, 50)))))
            while len(receiver.received) < 16:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await nothing_goes_on(receiver)
            assert len(receiver.received) == 16
            receiver.answer = accept
            assert await sink.deliver(batch(event(1))) == Outcome()
            assert len(asyncio.all_tasks()) < 20

    asyncio.run(run())
