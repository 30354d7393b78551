"""Targets that refuse, redirect, throttle or do not answer: what it means for other items."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from integration.consumers.webhook.receiver import (
    Answer,
    Received,
    accept,
    always,
    batch,
    event,
    receiving,
    seqs,
    sink_to,
)
from stripe_sync.consumers.sink import Outcome, TargetError
from stripe_sync.streams.items import StreamItem

ITEMS = [event(seq) for seq in range(1, 101)]
WORKED = {"has_worked": True, "unclear_failures": 0}


def refusal(
    answer: Answer, items: Sequence[StreamItem] = ITEMS, **settings: object
) -> tuple[TargetError, int]:
    """The error of a target, and the number of requests that it got."""

    async def run() -> tuple[TargetError, int]:
        async with receiving(answer) as receiver, sink_to(receiver.url, **settings) as sink:  # type: ignore[arg-type]
            with pytest.raises(TargetError) as raised:
                await sink.deliver(batch(*items))
            return raised.value, len(receiver.received)

    error, requests = asyncio.run(run())
    assert "QUERY_SECRET" not in str(error)
    assert "http://127.0.0.1:" in str(error)
    return error, requests


def failing(fails: Callable[[int], bool], status: int = 500) -> Answer:
    async def answer(received: Received) -> web.StreamResponse:
        return web.Response(status=status if fails(received.json["seq"]) else 200)

    return answer


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (300, "set url to the final address"),
        (304, "set url to the final address"),
        (401, "newest secret"),
        (403, "newest secret"),
        (404, "path of url"),
        (429, "lower concurrency"),
        (500, "log"),
        (502, "log"),
        (503, "log"),
        (504, "log"),
        (599, "log"),
    ],
)
def test_a_target_that_takes_nothing_is_asked_for_few_of_many_items(
    status: int, remedy: str
) -> None:
    error, requests = refusal(always(status))
    assert f"answered {status}" in str(error)
    assert remedy in str(error)
    assert not error.pauses
    assert requests <= 16


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed_and_the_error_names_where_they_lead(status: int) -> None:
    async def answer(received: Received) -> web.StreamResponse:
        place = "https://elsewhere.example/x?token=QUERY_SECRET"
        return web.Response(status=status, headers={"Location": place})

    error, requests = refusal(answer, concurrency=1)
    assert requests == 1
    assert "a redirect to https://elsewhere.example;" in str(error)
    assert error.retry_after == 60


@pytest.mark.parametrize("place", ["", "/local", "https://[bad", "https://a:b:c/", "\x80"])
def test_odd_redirects_are_errors_as_well(place: str) -> None:
    error, _ = refusal(always(301, Location=place))
    assert "redirects are not followed" in str(error)


def test_gone_pauses_the_consumer() -> None:
    error, requests = refusal(always(410), concurrency=1)
    assert error.pauses
    assert requests == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_target_may_ask_to_wait(status: int) -> None:
    error, _ = refusal(always(status, Retry_After="17"))
    assert error.retry_after == 17
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    error, _ = refusal(always(status, Retry_After=date))
    assert error.retry_after is not None
    assert 60 < error.retry_after <= 90


@pytest.mark.parametrize(
    "text",
    ["-1", "0", "nan", "inf", "1e3", "soon", "²", "Mon, 01 Jan 2001 00:00:00 GMT",
     "Mon, 01 Jan 2099 00:00:00", "1 Jan 99999 00:00 GMT",
     "Mon, 01 Jan 99999999999 00:00:00 GMT"],
)  # fmt: skip
def test_what_is_no_time_to_wait_is_ignored(text: str) -> None:
    assert refusal(always(429, Retry_After=text))[0].retry_after is None


def test_nobody_waits_longer_than_a_day() -> None:
    assert refusal(always(429, Retry_After=40 * "9"))[0].retry_after == 86_400


@pytest.mark.parametrize("status", [400, 402, 405, 409, 413, 415, 422])
def test_an_item_that_is_refused_is_a_failure_of_that_item(status: int) -> None:
    async def run() -> Outcome:
        async with receiving(always(status)) as receiver, sink_to(receiver.url) as sink:
            return await sink.deliver(batch(event(1), event(2), event(3, "cus_1")))

    outcome = asyncio.run(run())
    assert seqs(outcome.failed) == [1, 2]
    assert seqs(outcome.skipped) == [3]
    assert all(f"answered {status}" in each.error for each in outcome.failed.values())


def test_a_target_that_refuses_each_of_many_items_counts_as_down() -> None:
    error, requests = refusal(always(400))
    assert "answered 400" in str(error)
    assert requests < 30


@pytest.mark.parametrize("status", [500, 404])
def test_one_object_that_a_receiver_stumbles_over_does_not_stop_the_others(status: int) -> None:
    async def run() -> None:
        answer = failing(lambda seq: seq == 5, status)
        async with receiving(answer) as receiver, sink_to(receiver.url) as sink:
            outcome = await sink.deliver(batch(*ITEMS))
            assert seqs(outcome.failed) == [5]
            assert sorted(receiver.seqs) == list(range(1, 101))
            # Nor where it is delivered once more, alone.
            for _ in range(5):
                outcome = await sink.deliver(batch(ITEMS[4], again=True))
                assert seqs(outcome.failed) == [5]

    asyncio.run(run())


def test_nor_does_it_where_it_comes_alone_and_the_target_has_worked() -> None:
    async def run() -> None:
        answer = failing(lambda seq: seq == 1)
        async with receiving(answer) as receiver, sink_to(receiver.url, position=WORKED) as sink:
            assert seqs((await sink.deliver(batch(event(1)))).failed) == [1]
            assert await sink.deliver(batch(event(2))) == Outcome()

    asyncio.run(run())


def test_a_target_that_has_worked_counts_as_down_when_a_second_object_fails() -> None:
    async def run() -> None:
        async with receiving() as receiver, sink_to(receiver.url) as sink:
            assert sink.position() == {"has_worked": False, "unclear_failures": 0}
            await sink.deliver(batch(event(1)))
            assert sink.position() == WORKED
            receiver.answer = always(500)
            assert seqs((await sink.deliver(batch(event(2)))).failed) == [2]
            with pytest.raises(TargetError, match="500"):
                await sink.deliver(batch(event(3)))
            # Items that failed before are no reason to keep the others back.
            assert seqs((await sink.deliver(batch(event(2), again=True))).failed) == [2]
            receiver.answer = accept
            assert await sink.deliver(batch(event(3))) == Outcome()
            assert await sink.deliver(batch(event(2), again=True)) == Outcome()

    asyncio.run(run())


def test_a_new_process_knows_that_the_target_failed_before() -> None:
    async def run() -> None:
        async with receiving(always(500)) as receiver:
            async with sink_to(receiver.url, position=WORKED) as sink:
                assert seqs((await sink.deliver(batch(event(1)))).failed) == [1]
                stored = sink.position()
            assert stored == {"has_worked": True, "unclear_failures": 1}
            for _ in range(2):
                async with sink_to(receiver.url, position=stored) as sink:
                    with pytest.raises(TargetError, match="500"):
                        await sink.deliver(batch(event(2)))
            receiver.answer = accept
            async with sink_to(receiver.url, position=stored) as sink:
                assert await sink.deliver(batch(event(2))) == Outcome()
                assert sink.position() == WORKED

    asyncio.run(run())


def test_many_objects_that_fail_again_stop_no_others() -> None:
    """Else what is delivered once more would hold up what is new for ever."""

    async def run() -> None:
        async with (
            receiving(always(500)) as receiver,
            sink_to(receiver.url, position=WORKED) as sink,
        ):
            outcome = await sink.deliver(batch(*ITEMS, again=True))
            assert seqs(outcome.failed) == list(range(1, 101))
            assert len(receiver.received) < 30
            # They are no sign that the target is down: it is one new object that fails.
            assert seqs((await sink.deliver(batch(event(102)))).failed) == [102]
            receiver.answer = accept
            assert await sink.deliver(batch(event(101))) == Outcome()

    asyncio.run(run())


def test_what_was_delivered_before_the_target_went_down_is_counted() -> None:
    async def run() -> None:
        answer = failing(lambda seq: seq > 40, 503)
        async with receiving(answer) as receiver, sink_to(receiver.url) as sink:
            outcome = await sink.deliver(batch(*ITEMS))
            assert seqs({**outcome.failed} | dict.fromkeys(outcome.skipped)) == list(range(41, 101))
            assert len(receiver.received) == 40 + len(outcome.failed) < 40 + 30
            assert all("answered 503" in each.error for each in outcome.failed.values())
            with pytest.raises(TargetError, match="503"):  # without asking again
                await sink.deliver(batch(event(101)))
            assert 101 not in receiver.seqs
            receiver.answer = accept
            assert await sink.deliver(batch(event(101))) == Outcome()

    asyncio.run(run())


def test_a_throttled_batch_counts_what_was_delivered_and_waits() -> None:
    async def answer(received: Received) -> web.StreamResponse:
        if received.json["seq"] > 40:
            return web.Response(status=429, headers={"Retry-After": "30"})
        return web.Response()

    async def run() -> None:
        async with receiving(answer) as receiver, sink_to(receiver.url, concurrency=1) as sink:
            outcome = await sink.deliver(batch(*ITEMS))
            assert len(receiver.received) == 41
            ((key, failure),) = outcome.failed.items()
            assert (key, failure.retry_after) == (ITEMS[40].key, 30.0)
            assert seqs(outcome.skipped) == list(range(42, 101))
            for _ in range(2):
                with pytest.raises(TargetError, match="429") as raised:
                    await sink.deliver(batch(event(101)))
                assert raised.value.retry_after is not None
                assert 20 < raised.value.retry_after <= 30
            assert len(receiver.received) == 41

    asyncio.run(run())


def test_gone_in_the_middle_of_a_batch_pauses_with_the_next_one() -> None:
    async def run() -> None:
        answer = failing(lambda seq: seq > 40, 410)
        async with receiving(answer) as receiver, sink_to(receiver.url, concurrency=1) as sink:
            outcome = await sink.deliver(batch(*ITEMS))
            assert seqs(outcome.failed) == [41]
            assert seqs(outcome.skipped) == list(range(42, 101))
            for _ in range(2):
                with pytest.raises(TargetError) as raised:
                    await sink.deliver(batch(event(101)))
                assert raised.value.pauses
            assert len(receiver.received) == 41

    asyncio.run(run())


def test_a_receiver_that_closes_an_idle_connection_loses_nothing() -> None:
    """A server's time-out of idle connections races with the next request."""
    closing = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Answers one request of each connection, and drops the second one unread.
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await reader.readuntil(b"POST")
        closing.add(writer.get_extra_info("peername"))
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, sink_to(f"http://127.0.0.1:{port}/", concurrency=1) as sink:
            for seq in range(1, 4):
                assert await sink.deliver(batch(event(seq))) == Outcome()

    asyncio.run(run())
    assert closing


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 200", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "answered something that is not HTTP"),
        (b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "look into its log"),
        (b"HTTP/1.1 200 OK\r\nx: " + 20_000 * b"y" + b"\r\n\r\n", "not HTTP"),
    ],
    ids=["nothing", "cut", "other protocol", "upgrade", "header too long"],
)
def test_a_target_that_speaks_no_http(answer: bytes, cause: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(answer)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, sink_to(f"http://127.0.0.1:{port}/?QUERY_SECRET") as sink:
            with pytest.raises(TargetError, match=cause) as raised:
                await sink.deliver(batch(*ITEMS))
            assert "QUERY_SECRET" not in str(raised.value)

    asyncio.run(run())


def test_a_target_that_does_not_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def run() -> None:
        async with sink_to(f"http://127.0.0.1:{port}/?QUERY_SECRET") as sink:
            with pytest.raises(TargetError, match="cannot be connected") as raised:
                await sink.deliver(batch(*ITEMS))
            assert "QUERY_SECRET" not in str(raised.value)
            assert raised.value.retry_after is None

    asyncio.run(run())


def test_a_name_that_does_not_exist() -> None:
    async def run() -> None:
        async with sink_to("http://no-such-host.invalid/?QUERY_SECRET") as sink:
            with pytest.raises(TargetError, match=r"host name of .* is not found") as raised:
                await sink.deliver(batch(*ITEMS))
            assert "QUERY_SECRET" not in str(raised.value)

    asyncio.run(run())
