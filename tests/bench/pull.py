"""Pull consumers: items a second that are taken and acknowledged, in Python and over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp

from bench.api_server import served
from bench.environment import SYNC, UNLIMITED, BenchEnvironment
from bench.measure import Measured
from stripe_sync import PullQueue, StreamReader, backfill, create_consumer, delete_consumer

CUSTOMERS = 20_000
NAME = "bench"
SINGLE_ITEMS = 500

Take = Callable[[int], Awaitable[list[str]]]
Ack = Callable[[list[str]], Awaitable[None]]


def measure(env: BenchEnvironment) -> list[Measured]:
    """One worker that takes and acknowledges 20,000 customers, in batches of 100 and of 1."""
    env.sandbox(latency=0, limited=False)
    env.control.seed({"customer": CUSTOMERS}, livemode=True)
    with env.sync(**UNLIMITED) as base:
        backfill(base, SYNC, ["customer"])
        url = base.warehouse_url
        env.log("in Python …")
        rates = {"per_second": asyncio.run(_in_python(url, 100, CUSTOMERS))}
        rates["single_per_second"] = asyncio.run(_in_python(url, 1, SINGLE_ITEMS))
        with served(base, env.folder) as (api, token):
            env.log("over HTTP …")
            address = f"{api}/stripe/v1/consumers/{NAME}"
            rates["http_per_second"] = asyncio.run(_over_http(url, address, token))
    targets = {"per_second": ">= 10000"}
    return [
        Measured(f"deliver.pull.{name}", rate, "items/s", targets.get(name, ""))
        for name, rate in rates.items()
    ]


async def _in_python(url: str, batch_size: int, most: int) -> float:
    async with StreamReader(url) as reader:
        queue = PullQueue(reader)

        async def take(size: int) -> list[str]:
            batch = await queue.next(NAME, batch_size=size)
            return [each.ack_token for each in batch.items]

        async def ack(tokens: list[str]) -> None:
            assert (await queue.ack(NAME, tokens)).expired == []

        return await _rate(url, take, ack, batch_size, most)


async def _over_http(url: str, address: str, token: str) -> float:
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(headers=headers) as client:

        async def take(size: int) -> list[str]:
            async with client.post(f"{address}/next", json={"batch_size": size}) as answer:
                assert answer.status == 200, await answer.text()
                return [each["ack_token"] for each in (await answer.json())["data"]]

        async def ack(tokens: list[str]) -> None:
            async with client.post(f"{address}/ack", json={"ack_tokens": tokens}) as answer:
                assert (await answer.json())["acked"] == len(tokens)

        return await _rate(url, take, ack, 100, CUSTOMERS)


async def _rate(url: str, take: Take, ack: Ack, batch_size: int, most: int) -> float:
    create_consumer(url, NAME, "pull")
    done, began = 0, time.monotonic()
    while done < most and (tokens := await take(batch_size)):
        await ack(tokens)
        done += len(tokens)
    seconds = time.monotonic() - began
    delete_consumer(url, NAME)
    assert done == most
    return done / seconds
