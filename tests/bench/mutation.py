"""Mutations: how soon a write is in the streams, and how many a second, over HTTP and in a task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp

from bench.api_server import served
from bench.environment import SYNC, UNLIMITED, BenchEnvironment
from bench.measure import Measured, Task, percentile
from stripe_sync import BackgroundMutations, Mutation, RunOptions, create_sync, run_mutation
from stripe_sync.sync.connections import Connections

LATENCY = 0.05
"""Seconds that the sandbox takes for a write."""

STEADY_PER_SECOND = 20
STEADY = 300
UNPACED = 400
IN_FLIGHT = 16
IN_TASK = 100

Send = Callable[[int], Awaitable[float]]
"""Sends one mutation; gives the seconds that it took."""


def measure(env: BenchEnvironment) -> list[Measured]:
    """A steady rate over HTTP, then as many as go, then a task with a hundred records."""
    env.sandbox(latency=LATENCY, limited=False)
    with env.sync(**UNLIMITED) as base:
        create_sync(base.warehouse_url, SYNC, livemode=True)
        env.log(f"{STEADY_PER_SECOND} mutations a second over HTTP …")
        with served(base, env.folder) as (url, token):
            steady, per_second = asyncio.run(_over_http(url, token))
        env.log("the same without HTTP …")
        with BackgroundMutations(lambda _: base) as mutations:
            direct = asyncio.run(_without_http(mutations))
        env.log(f"{IN_TASK} records in one task …")
        task = Task.start(_run_task, base).cost()
    over = percentile(steady, 99) - LATENCY
    overhead = 1000 * (percentile(steady, 50) - percentile(direct, 50))
    return [
        Measured("mutation.p99_over_latency_s", over, "s", "<= 0.1"),
        Measured("mutation.per_second", per_second, "mutations/s", ">= 25"),
        Measured("mutation.task_per_second", IN_TASK / task.result, "mutations/s", ">= 20"),
        Measured("mutation.http_overhead_ms", overhead, "ms"),
    ]


async def _over_http(url: str, token: str) -> tuple[list[float], float]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as client:

        async def send(number: int) -> float:
            began = time.monotonic()
            body = {
                "sync_id": SYNC,
                "collection_id": "stripe:customer",
                "data": [{"name": f"customer {number}"}],
            }
            async with client.post(f"{url}/stripe/v1/mutations/run/create", json=body) as answer:
                text = await answer.text()
                assert answer.status == 200, text
            return time.monotonic() - began

        await send(0)  # opens the session
        steady = await _steadily(send)
        began = time.monotonic()
        await _bounded(send)
        return steady, UNPACED / (time.monotonic() - began)


async def _without_http(mutations: BackgroundMutations) -> list[float]:
    async def send(number: int) -> float:
        began = time.monotonic()
        record = {"name": f"customer {number}"}
        report = await mutations.run(SYNC, Mutation("stripe:customer", "create", [record]))
        assert not report.failed
        return time.monotonic() - began

    await send(0)
    return await _steadily(send)


async def _steadily(send: Send) -> list[float]:
    """The seconds of each mutation at a steady rate, whatever they take."""
    began = time.monotonic()

    async def one(number: int) -> float:
        await asyncio.sleep(max(began + number / STEADY_PER_SECOND - time.monotonic(), 0))
        return await send(number)

    return list(await asyncio.gather(*(one(number) for number in range(STEADY))))


async def _bounded(send: Send) -> None:
    """As many as go, some at a time."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(number: int) -> None:
        async with slots:
            await send(number)

    await asyncio.gather(*(one(number) for number in range(UNPACED)))


def _run_task(base: Connections) -> float:
    """What one operator task does; gives its seconds."""
    records = [{"name": f"customer {number}"} for number in range(IN_TASK)]
    mutation = Mutation("stripe:customer", "create", records, key="bench")
    began = time.monotonic()
    report = run_mutation(base, SYNC, mutation, RunOptions("continue"))
    assert not report.failed
    return time.monotonic() - began
