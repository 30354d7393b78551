"""How close a backfill comes to the ceiling that Stripe's limits set, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from bench.environment import SYNC, UNLIMITED, BenchEnvironment
from bench.measure import Measured, Task, TaskCost, postgres_cpu
from bench.sequential import read_sequentially
from stripe_sync.sync.backfill.backfill import BackfillReport, backfill_collection, plan_backfill
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.progress import Progress

PAGE = 100
ENDPOINT_CEILING = 2_500
"""Objects per second: 25 requests a second to one endpoint, 100 objects each."""
BACKFILL_CEILING = 5_000
"""Objects per second: 50 requests a second for all backfills together."""
WARM_UP = 5.0
"""Seconds that a rate does not count: finding out how dense a list is cannot be done at once."""
LATENCY = 0.3
"""Seconds that a page takes from Stripe."""

DAY = 86_400
MANY = {"customer": 100_000, "refund": 100_000, "balance_transaction": 100_000}


@dataclass(frozen=True, slots=True)
class Ran:
    """One backfill, seen from within its process; moments of the machine's monotonic clock."""

    report: BackfillReport
    began: float
    ended: float
    marks: list[tuple[float, int]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Backfills that ran at the same time, with what sandbox and server counted."""

    tasks: Sequence[TaskCost]
    stats: dict[str, Any]
    postgres_cpu: float

    @property
    def runs(self) -> list[Ran]:
        """The backfills themselves."""
        return [task.result for task in self.tasks]

    @property
    def objects(self) -> int:
        """Objects landed by all of them."""
        return sum(run.report.objects for run in self.runs)

    @property
    def seconds(self) -> float:
        """From the first's beginning to the last's end."""
        return max(run.ended for run in self.runs) - min(run.began for run in self.runs)

    @property
    def cpu(self) -> float:
        """CPU seconds of all tasks."""
        return sum(task.cpu_seconds for task in self.tasks)

    @property
    def rate(self) -> float:
        """Objects per second after the warm-up."""
        start = min(run.began for run in self.runs) + WARM_UP
        before = sum(
            max((count for at, count in run.marks if at <= start), default=0) for run in self.runs
        )
        return (self.objects - before) / (self.seconds - WARM_UP)

    @property
    def waste(self) -> float:
        """Requests made per request needed."""
        needed = sum(ceil(run.report.objects / PAGE) for run in self.runs)
        return sum(run.report.requests for run in self.runs) / needed

    @property
    def refused(self) -> int:
        """Answers 429."""
        return int(sum(self.stats["rate_limited"].values()))


def measure(env: BenchEnvironment) -> list[Measured]:
    """All measurements of backfills."""
    paced = _one(env), _many(env), _skewed(env), _bursty(env)
    one, many, skewed, bursty = paced
    sequential = _sequential(env)
    return [
        Measured("backfill.one.ratio", one.rate / ENDPOINT_CEILING, "of ceiling", ">= 0.9"),
        Measured("backfill.many.ratio", many.rate / BACKFILL_CEILING, "of ceiling", ">= 0.9"),
        Measured("backfill.skewed.ratio", skewed.rate / ENDPOINT_CEILING, "of ceiling", ">= 0.765"),
        Measured("backfill.requests_over_minimum", one.waste, "ratio", "<= 1.05"),
        Measured("backfill.skewed.requests_over_minimum", skewed.waste, "ratio", "<= 1.05"),
        Measured("backfill.bursty.requests_over_minimum", bursty.waste, "ratio", "<= 1.05"),
        Measured("backfill.answers_429", sum(o.refused for o in paced), "answers", "<= 0"),
        Measured(
            "backfill.peak_requests_per_second", many.stats["peak_per_second"], "requests", "<= 50"
        ),
        Measured(
            "backfill.peak_requests_per_second_endpoint",
            max(peak for o in paced for peak in o.stats["peak_per_second_by_endpoint"].values()),
            "requests",
            "<= 25",
        ),
        Measured("backfill.times_sequential", one.rate / sequential, "times"),
        *_unpaced(env),
    ]


def _one(env: BenchEnvironment) -> Outcome:
    env.sandbox(latency=LATENCY, limited=True)
    return _measured(env, "one collection, paced", {"customer": 200_000})


def _many(env: BenchEnvironment) -> Outcome:
    env.sandbox(latency=LATENCY, limited=True)
    return _measured(env, "three collections, paced", MANY)


def _skewed(env: BenchEnvironment) -> Outcome:
    """Nine tenths of the objects in a hundredth of the time."""
    env.sandbox(latency=LATENCY, limited=True)
    now = int(time.time())  # noqa: TID251 - the sandbox's data, not the product's time
    burst = {"start": now - 300 * DAY, "end": now - 300 * DAY + 7 * DAY}
    env.control.seed({"customer": 135_000}, spread="random", seed=1, livemode=True, **burst)
    return _measured(env, "one collection, most of it in one week, paced", {"customer": 15_000})


def _bursty(env: BenchEnvironment) -> Outcome:
    """Three bursts of 5,000 objects in one second, few between them, empty years before."""
    env.sandbox(latency=LATENCY, limited=True)
    now = int(time.time())  # noqa: TID251 - the sandbox's data, not the product's time
    for days in (30, 200, 1_500):
        second = {"start": now - days * DAY, "end": now - days * DAY}
        env.control.seed({"customer": 5_000}, spread="random", seed=days, livemode=True, **second)
    return _measured(env, "one collection, most of it in three seconds, paced", {"customer": 2_000})


def _unpaced(env: BenchEnvironment) -> list[Measured]:
    found = {}
    for count, name in ((100_000, "100k"), (300_000, "300k"), (1_000_000, "1m")):
        env.sandbox(latency=0.005, limited=False)
        found[name] = _measured(env, f"{count:,} objects, unpaced", {"customer": count}, UNLIMITED)
    small, middle = found["100k"], found["300k"]
    cost = 1e6 * (middle.cpu + middle.postgres_cpu) / middle.objects
    return [
        Measured("backfill.cpu_us_per_object", cost, "µs", "<= 150"),
        Measured(
            "backfill.unpaced_objects_per_second",
            middle.objects / middle.seconds,
            "objects/s",
            ">= 8000",
        ),
        Measured("backfill.objects_per_second_100k", small.objects / small.seconds, "objects/s"),
        Measured("backfill.cpu_s_per_100k", small.cpu, "s"),
        Measured("backfill.postgres_cpu_s_per_100k", small.postgres_cpu, "s"),
        *(
            Measured(f"backfill.peak_mib_{name}", outcome.tasks[0].peak_mib, "MiB", "<= 333")
            for name, outcome in found.items()
        ),
    ]


def _sequential(env: BenchEnvironment) -> float:
    """Objects per second of the SDK's auto-paging, written into the same table."""
    env.sandbox(latency=LATENCY, limited=True)
    env.control.seed({"customer": 6_000}, spread="random", livemode=True)
    env.log("one collection, by the SDK's auto-paging …")
    with env.sync() as connections:
        plan_backfill(connections, SYNC, ["customer"])
        count, seconds = Task.start(read_sequentially, connections, SYNC).cost().result
    return float(count / seconds)


def _measured(
    env: BenchEnvironment,
    title: str,
    counts: dict[str, int],
    settings: dict[str, Any] | None = None,
) -> Outcome:
    """Seed, backfill all collections at once, count."""
    env.log(f"{title}: seeding …")
    env.control.seed(counts, spread="random", livemode=True)
    counts = env.control.stats(livemode=True)["objects"]
    del counts["account"]  # the account itself, in no collection
    with env.sync(**(settings or {})) as connections:
        names = plan_backfill(connections, SYNC, list(counts)).collections
        env.control.reset_stats()
        cpu = postgres_cpu(connections.warehouse_url)
        env.log(f"{title}: {sum(counts[name] for name in names):,} objects …")
        tasks = [Task.start(run_backfill, connections, name) for name in names]
        costs = [task.cost() for task in tasks]
        cpu = postgres_cpu(connections.warehouse_url) - cpu
    outcome = Outcome(costs, env.control.stats(livemode=True), cpu)
    assert outcome.objects == sum(counts[name] for name in names)
    env.log(
        f"{title}: {outcome.seconds:.1f} s, {outcome.rate:,.0f} objects/s after {WARM_UP:.0f} s, "
        f"{outcome.waste:.3f} requests per request needed, "
        f"{1e6 * outcome.cpu / outcome.objects:.0f} + "
        f"{1e6 * outcome.postgres_cpu / outcome.objects:.0f} µs per object, "
        f"{max(task.peak_mib for task in costs):.0f} MiB"
    )
    return outcome


def run_backfill(connections: Connections, collection: str) -> Ran:
    """Backfill one collection; runs in a process of its own."""
    began = time.monotonic()
    marks = []

    def note(progress: Progress) -> None:
        marks.append((time.monotonic(), progress.objects))

    report = backfill_collection(connections, SYNC, collection, progress=note)
    return Ran(report, began, time.monotonic(), marks)
