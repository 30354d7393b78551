"""The promise that counts: what leaves, from all processes together."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier

import psycopg
import pytest

from forked import processes
from stripe_sync.client import PacingLimits, Priority, SharedBudget, SharedRateLimiter
from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import ConfigurationError, WarehouseError

LIMITS = PacingLimits(total=25, backfill=20, per_endpoint=25)
BACKFILL, LIVE = Priority.BACKFILL, Priority.LIVE
Departure = tuple[float, str]


class OwnPacer(SharedRateLimiter):
    """A pacer with a connection of its own."""

    def __init__(
        self, url: str, account: str, limits: PacingLimits, clock: Clock | None = None
    ) -> None:
        self._own = SharedBudget(url, clock or SystemClock())
        super().__init__(self._own, account, limits, clock)

    async def aclose(self) -> None:
        await super().aclose()
        await self._own.aclose()


_together: Barrier | None = None


def meet(barrier: Barrier) -> None:
    global _together  # noqa: PLW0603 - how a pool hands something to its processes
    _together = barrier


def departures(url: str, account: str, jobs: list[tuple[str, Priority, int]]) -> list[Departure]:
    """Let all coroutines of all jobs ask at once; runs in a process of its own."""

    async def one(rate_limiter: OwnPacer, endpoint: str, priority: Priority) -> Departure:
        await rate_limiter.acquire(endpoint, priority)
        return time.monotonic(), priority.value

    async def main() -> list[Departure]:
        rate_limiter = OwnPacer(url, account, LIMITS)
        assert _together is not None
        _together.wait()
        waiting = [
            one(rate_limiter, endpoint, priority)
            for endpoint, priority, n in jobs
            for _ in range(n)
        ]
        try:
            return await asyncio.gather(*waiting)
        finally:
            await rate_limiter.aclose()

    return asyncio.run(main())


def from_processes(
    url: str, account: str, *jobs: list[tuple[str, Priority, int]]
) -> list[Departure]:
    """All departures in order; the monotonic counter is one for the whole machine."""
    barrier = processes.Barrier(len(jobs))
    with ProcessPoolExecutor(len(jobs), processes, meet, (barrier,)) as pool:
        futures = [pool.submit(departures, url, account, each) for each in jobs]
        return sorted(departure for future in futures for departure in future.result())


def most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= moment < start + 1 for moment in times) for start in times)


def test_no_second_has_more_requests_than_the_account_allows(pacing_url: str, account: str) -> None:
    left = from_processes(
        pacing_url,
        account,
        [("GET /v1/a", BACKFILL, 15), ("GET /v1/b", BACKFILL, 10)],
        [("GET /v1/a", BACKFILL, 15), ("POST /v1/a", LIVE, 20)],
        [("GET /v1/events", LIVE, 20)],
    )
    assert len(left) == 80
    assert most_in_a_second([moment for moment, _ in left]) <= LIMITS.total
    backfill = [moment for moment, priority in left if priority == "backfill"]
    assert most_in_a_second(backfill) <= LIMITS.backfill


def test_live_requests_overtake_the_backlog_of_a_backfill(pacing_url: str, account: str) -> None:
    left = from_processes(
        pacing_url,
        account,
        [("GET /v1/a", BACKFILL, 25)],
        [("GET /v1/b", BACKFILL, 25)],
        [("GET /v1/events", LIVE, 15)],
    )
    priorities = [priority for _, priority in left]
    first, last = priorities.index("live"), len(priorities) - 1 - priorities[::-1].index("live")
    overtaking = priorities[first : last + 1]
    # The backfill keeps what it had reserved before, and what the live lane is too slow to take.
    assert overtaking.count("backfill") <= overtaking.count("live") / 3
    assert priorities[last:].count("backfill") > 0


@pytest.mark.anyio
async def test_a_slot_missed_by_a_busy_process_is_not_used(pacing_url: str, account: str) -> None:
    class Oversleeping(SystemClock):
        """Comes back half a second late from its first sleep."""

        def __init__(self) -> None:
            self.sleeps = 0

        def monotonic(self) -> float:
            return super().monotonic() + (0.5 if self.sleeps else 0)

        async def sleep(self, seconds: float) -> None:
            self.sleeps += 1

    clock = Oversleeping()
    rate_limiter = OwnPacer(pacing_url, account, LIMITS, clock)
    await rate_limiter.acquire("GET /v1/a", LIVE)
    await rate_limiter.aclose()
    assert clock.sleeps > 1


@pytest.mark.anyio
async def test_a_cancelled_request_takes_no_slot_from_waiting_ones(
    pacing_url: str, account: str
) -> None:
    rate_limiter = OwnPacer(pacing_url, account, PacingLimits(20, 20, 20))
    impatient = [asyncio.create_task(rate_limiter.acquire("GET /v1/a", LIVE)) for _ in range(1000)]
    await asyncio.sleep(0)
    for task in impatient:
        task.cancel()
    await rate_limiter.acquire("GET /v1/a", LIVE)
    await rate_limiter.aclose()
    with psycopg.connect(pacing_url) as connection:
        row = connection.execute(
            "SELECT next_free - extract(epoch FROM clock_timestamp()) FROM stripe_sync.pacing "
            "WHERE account_key = %s AND scope = '*'",
            (account,),
        ).fetchone()
    assert row is not None
    assert row[0] < 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reason", "scope"),
    [
        ("global-rate", "*"),
        ("global-concurrency", "*"),
        ("endpoint-rate", "GET /v1/a"),
        ("endpoint-concurrency", "GET /v1/a"),
        ("resource-specific", "GET /v1/a"),
    ],
)
async def test_a_429_slows_the_scope_of_its_reason(
    pacing_url: str, account: str, reason: str, scope: str
) -> None:
    rate_limiter = OwnPacer(pacing_url, account, LIMITS)
    await rate_limiter.slow_down("GET /v1/a", reason)
    await rate_limiter.aclose()
    with psycopg.connect(pacing_url) as connection:
        rows = connection.execute(
            "SELECT scope, factor FROM stripe_sync.pacing WHERE account_key = %s", (account,)
        ).fetchall()
    assert rows == [(scope, 0.7)]


@pytest.mark.anyio
async def test_a_lost_connection_is_replaced(pacing_url: str, account: str) -> None:
    rate_limiter = OwnPacer(pacing_url, account, LIMITS)
    await rate_limiter.acquire("GET /v1/a", LIVE)
    with psycopg.connect(pacing_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE '%reserve_slots%' AND pid <> pg_backend_pid()"
        )
    await rate_limiter.acquire("GET /v1/a", LIVE)
    await rate_limiter.aclose()


@pytest.mark.anyio
async def test_all_waiting_requests_fail_when_the_warehouse_cannot_be_reached() -> None:
    url = "postgresql://me:secret@127.0.0.1:1/db"
    rate_limiter = OwnPacer(url, "acct_1:test", LIMITS)
    waiting = [rate_limiter.acquire("GET /v1/a", LIVE) for _ in range(3)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    await rate_limiter.aclose()
    for result in results:
        assert isinstance(result, WarehouseError)
        assert "127.0.0.1" in str(result)
        assert "secret" not in str(result)


@pytest.mark.parametrize("url", ["me:secret@host/db", "postgresql://me:se%cret@host/db"])
def test_an_invalid_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must look like") as caught:
        OwnPacer(url, "acct_1:test", LIMITS)
    assert "cret" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.anyio
async def test_a_warehouse_without_migrations_is_recognised(empty_database_url: str) -> None:
    rate_limiter = OwnPacer(empty_database_url, "acct_1:test", LIMITS)
    with pytest.raises(WarehouseError, match="migrations"):
        await rate_limiter.acquire("GET /v1/a", LIVE)
    with pytest.raises(WarehouseError, match="migrations"):
        await rate_limiter.slow_down("GET /v1/a", "global-rate")
    await rate_limiter.aclose()


@pytest.mark.anyio
async def test_closing_releases_waiting_requests(pacing_url: str, account: str) -> None:
    rate_limiter = OwnPacer(pacing_url, account, PacingLimits(1, 1, 1))
    waiting = [asyncio.create_task(rate_limiter.acquire("GET /v1/a", LIVE)) for _ in range(3)]
    await waiting[0]
    await rate_limiter.aclose()
    await asyncio.wait(waiting)
    assert [task.cancelled() for task in waiting] == [False, True, True]


@pytest.mark.anyio
async def test_many_accounts_share_a_connection_and_none_waits_for_one_that_gave_up(
    pacing_url: str, account: str
) -> None:
    budget = SharedBudget(pacing_url, SystemClock())
    limiters = [SharedRateLimiter(budget, f"{account}{n}", LIMITS) for n in range(60)]
    waiting = [asyncio.create_task(each.acquire("GET /v1/events", LIVE)) for each in limiters]
    await asyncio.sleep(0)
    given_up = waiting[::7]
    for task in given_up:
        task.cancel()

    await asyncio.wait(waiting, timeout=30)

    assert all(task.cancelled() for task in given_up)
    others = [task for task in waiting if task not in given_up]
    assert [task.done() and task.exception() for task in others] == [None] * len(others)
    await budget.aclose()
    with psycopg.connect(pacing_url) as connection:
        query = "SELECT count(*) FROM stripe_sync.stripe_reads WHERE account_key LIKE %s"
        [served] = connection.execute(query, [f"{account}%"]).fetchall()
    assert served[0] >= len(others)
