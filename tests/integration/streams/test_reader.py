"""Many readers in one event loop: none misses anything, and waiting costs no connection."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from integration.streams.conftest import Streams, customer
from pgbouncer import pooled, running_pgbouncer
from stripe_sync import (
    RecordNotFound,
    Selection,
    StreamCursor,
    StreamPage,
    StreamReader,
    WarehouseError,
)
from stripe_sync.warehouse.async_pool import MOST_CONNECTIONS

Result = TypeVar("Result")

BEGINNING = StreamCursor()
EVENTS, RECORDS = Selection.of("events"), Selection.of("records")
CHARGES = Selection.of("events", collections=["charge"])
LONG = 30.0

CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'stripe_sync'
"""

LOSE_CONNECTIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def with_reader(url: str, use: Callable[[StreamReader], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with StreamReader(url) as reader:
            return await use(reader)

    return asyncio.run(run())


async def waiting(reader: StreamReader, number: int) -> None:
    while reader.waiting < number:
        await asyncio.sleep(0.01)


def upstream_ids(page: StreamPage) -> list[str]:
    return [item.json()["upstream_id"] for item in page.items]


def test_a_waiting_reader_gets_what_it_has_selected_and_nothing_else(streams: Streams) -> None:
    async def use(reader: StreamReader) -> tuple[StreamPage, StreamPage]:
        every = asyncio.create_task(reader.page(EVENTS, BEGINNING, wait_seconds=LONG))
        charges = asyncio.create_task(reader.page(CHARGES, BEGINNING, wait_seconds=LONG))
        await waiting(reader, 2)
        await asyncio.to_thread(streams.customers, 1)
        first = await every
        await waiting(reader, 1)
        await asyncio.to_thread(streams.customers, 1, sync="south", collection="charge")
        return first, await charges

    first, charges = with_reader(streams.url, use)
    assert upstream_ids(first) == ["cus_1"]
    assert upstream_ids(charges) == ["cha_1"]
    # The cursor has passed what was not selected.
    assert charges.cursor.positions[streams.id("north")] == 1


def test_a_page_without_items_comes_when_the_time_is_over(streams: Streams) -> None:
    page = with_reader(
        streams.url, lambda reader: reader.page(EVENTS, BEGINNING, wait_seconds=0.05)
    )
    assert (page.items, page.has_more) == ([], False)


def test_waiting_readers_share_five_connections(streams: Streams) -> None:
    async def use(reader: StreamReader) -> tuple[int, list[StreamPage]]:
        readers = [
            asyncio.create_task(reader.page(EVENTS, BEGINNING, limit=number, wait_seconds=LONG))
            for number in range(1, 301)
        ]
        await waiting(reader, len(readers))
        async with await psycopg.AsyncConnection.connect(streams.url) as connection:
            ((used,),) = await (await connection.execute(CONNECTIONS)).fetchall()
        await asyncio.to_thread(streams.customers, 1, 2)
        return used, await asyncio.gather(*readers)

    streams.warehouse.close()
    used, pages = with_reader(streams.url, use)
    assert used <= 5
    assert [len(page.items) for page in pages] == [1] + [2] * 299


def test_readers_are_sent_home_when_the_server_stops(streams: Streams) -> None:
    stopping = threading.Event()

    async def run() -> StreamPage:
        async with StreamReader(streams.url, stopping.is_set) as reader:
            page = asyncio.create_task(reader.page(EVENTS, BEGINNING, wait_seconds=600))
            await waiting(reader, 1)
            stopping.set()
            return await page

    assert asyncio.run(run()).items == []


def test_a_reader_that_goes_away_takes_no_page_from_others(streams: Streams) -> None:
    streams.customers(1)

    async def use(reader: StreamReader) -> StreamPage:
        gone, stays = (asyncio.create_task(reader.page(EVENTS, BEGINNING)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert upstream_ids(with_reader(streams.url, use)) == ["cus_1"]


def test_a_reader_may_take_small_pages_beside_others(streams: Streams) -> None:
    async def use(reader: StreamReader) -> list[StreamPage]:
        sizes = (reader.page(EVENTS, BEGINNING, max_bytes=size) for size in (1, 1 << 20))
        return await asyncio.gather(*sizes)

    streams.customers(1, 2)
    small, large = with_reader(streams.url, use)
    assert (upstream_ids(small), small.has_more) == (["cus_1"], True)
    assert (upstream_ids(large), large.has_more) == (["cus_1", "cus_2"], False)


def test_a_record_is_read_when_the_streams_have_its_position(streams: Streams) -> None:
    streams.customers(1, name="A")

    async def use(reader: StreamReader) -> Any:
        waits = asyncio.create_task(reader.record("customer", "cus_1", sync="north", seq=2))
        await waiting(reader, 1)
        await asyncio.to_thread(streams.customers, 1, name="B", when=1)
        return (await waits).json()

    assert with_reader(streams.url, use)["payload"]["name"] == "B"
    with pytest.raises(RecordNotFound):
        with_reader(streams.url, lambda reader: reader.record("customer", "cus_2"))
    with pytest.raises(TimeoutError):
        with_reader(
            streams.url,
            lambda reader: reader.record("customer", "cus_1", sync="north", seq=9, wait_seconds=0),
        )


def test_pages_and_waiting_go_on_after_the_connections_were_lost(streams: Streams) -> None:
    async def use(reader: StreamReader) -> StreamPage:
        page = asyncio.create_task(reader.page(EVENTS, BEGINNING, wait_seconds=LONG))
        await waiting(reader, 1)
        async with await psycopg.AsyncConnection.connect(streams.url) as connection:
            await connection.execute(LOSE_CONNECTIONS)
        await asyncio.to_thread(streams.customers, 1)
        return await page

    streams.warehouse.close()
    assert upstream_ids(with_reader(streams.url, use)) == ["cus_1"]


def test_a_read_goes_on_after_all_connections_of_the_pool_were_lost(streams: Streams) -> None:
    async def use(reader: StreamReader) -> StreamPage:
        async with AsyncExitStack() as all_at_once:
            for _ in range(MOST_CONNECTIONS):
                await all_at_once.enter_async_context(reader.connection())
        async with await psycopg.AsyncConnection.connect(streams.url) as connection:
            await connection.execute(LOSE_CONNECTIONS)
        return await reader.page(EVENTS, BEGINNING)

    streams.customers(1)
    streams.warehouse.close()
    assert upstream_ids(with_reader(streams.url, use)) == ["cus_1"]


def test_readers_that_begin_at_once_ask_once(streams: Streams) -> None:
    async def use(reader: StreamReader) -> tuple[set[str], int]:
        begun = (reader.start(EVENTS, "new") for _ in range(300))
        starts = {str(start) for start in await asyncio.gather(*begun)}
        return starts, reader._pool.get_stats()["requests_num"]

    streams.customers(1)
    starts, asked = with_reader(streams.url, use)
    assert len(starts) == asked == 1


def test_an_unreachable_warehouse_is_an_error_that_names_it() -> None:
    url = "postgresql://nobody:topsecret@127.0.0.1:1/none?connect_timeout=2"
    with pytest.raises(WarehouseError, match=r"127\.0\.0\.1:1/none") as raised:
        with_reader(url, lambda reader: reader.page(EVENTS, BEGINNING))
    assert "topsecret" not in str(raised.value)


def test_streams_are_read_through_a_transaction_pooler(streams: Streams, postgres_url: str) -> None:
    async def use(reader: StreamReader) -> StreamPage:
        page = asyncio.create_task(reader.page(EVENTS, BEGINNING, wait_seconds=LONG))
        await waiting(reader, 1)
        await asyncio.to_thread(streams.customers, 1)
        return await page

    with running_pgbouncer(postgres_url) as folder:
        url: str = pooled(streams.url, Path(folder))
        assert upstream_ids(with_reader(url, use)) == ["cus_1"]


def test_readers_beside_writers_see_every_change_once_and_in_order(streams: Streams) -> None:
    done = threading.Event()

    def write(seed: int) -> None:
        rng = random.Random(seed)
        for when in range(30):
            sync, number = rng.choice(["north", "south"]), rng.randrange(40)
            several = (customer(number + n, n=rng.randrange(9), when=when) for n in range(5))
            streams.write(*several, sync=sync)

    async def follow(reader: StreamReader, selection: Selection) -> list[tuple[Any, ...]]:
        cursor, seen = StreamCursor(), []
        while True:
            finished = done.is_set()
            page = await reader.page(selection, cursor, limit=7, wait_seconds=0.05)
            seen += [(item.sync_id, item.seq, item.body) for item in page.items]
            cursor = page.cursor
            if finished and not page.items:
                return seen

    async def use(reader: StreamReader) -> list[list[tuple[Any, ...]]]:
        followers = [asyncio.create_task(follow(reader, each)) for each in (EVENTS, RECORDS)]
        writers = [asyncio.to_thread(write, seed) for seed in range(4)]
        try:
            await asyncio.gather(*writers)
        finally:
            done.set()
        return await asyncio.gather(*followers)

    events, records = with_reader(streams.url, use)
    with psycopg.connect(streams.url) as connection:
        written = connection.execute("SELECT sync_id, seq FROM stripe_raw.events").fetchall()
        current = connection.execute("SELECT sync_id, seq FROM stripe_raw.records").fetchall()
    for sync in ("north", "south"):
        own = [seq for each, seq, _ in events if each == streams.id(sync)]
        assert own == sorted(own)
    assert sorted(each[:2] for each in events) == sorted(written)
    # A record may have been read at earlier places too.
    assert {each[:2] for each in records} >= set(current)
    assert len(records) == len({each[:2] for each in records})
