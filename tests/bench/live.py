"""How long a change takes from Stripe to its row: steadily, in a burst, with many syncs."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import psycopg

from bench.changes import Watcher, Writer
from bench.environment import KEY, SYNC, BenchEnvironment
from bench.measure import Measured, Task, percentile
from stripe_sandbox.control import SandboxControl
from stripe_stack.settings import Settings, free_port
from stripe_stack.stack import Stack, running
from stripe_sync.client import Credential
from stripe_sync.sync.backfill.backfill import backfill_collection, plan_backfill
from stripe_sync.sync.connections import Connections, SyncSettings
from stripe_sync.sync.poll.supervisor import poll_for

LATENCY = 0.1
"""Seconds that a request takes from Stripe."""

STEADY = 1_100
STEADY_PER_SECOND = 10.0
RUN_SECONDS = 35
"""How long a run of the DAG lasts here, so that several hand over to each other."""

BURST_PER_SECOND = 200.0
BURST_SECONDS = 60
CUSTOMERS = 2_000
OTHER_VERSION = "2024-06-20"

ACCOUNTS = 100
PATIENCE = 600.0


def measure(env: BenchEnvironment) -> list[Measured]:
    """All measurements of live changes."""
    return [
        *_steady(env),
        *_burst(env),
        *_burst(env, OTHER_VERSION),
        *_many(env),
    ]


def _steady(env: BenchEnvironment) -> list[Measured]:
    """Ten changes a second through real Airflow, with runs that hand over to each other."""
    env.sandbox(latency=0.0, limited=False)
    env.control.seed({"customer": 1_000}, livemode=True)
    env.log("starting Airflow …")
    with _stack(env) as stack:
        connections = Connections(
            Credential(KEY, env.control.base_url),
            stack.warehouse_url,
            stack.settings.lake,
        )
        for name in plan_backfill(connections, "default", ["customer"]).collections:
            backfill_collection(connections, "default", name)
        env.control.settings(latency=LATENCY)
        stack.api.unpause("stripe_poll")
        wait_for_pollers(stack.warehouse_url, 1)
        env.log(f"{STEADY:,} changes, {STEADY_PER_SECOND:.0f} a second, in the DAG stripe_poll …")
        writer = _writer(env, STEADY_PER_SECOND, STEADY)
        with Watcher(stack.warehouse_url) as watcher, _polls(env.control) as polls:
            writer.run()
            watcher.wait_for(writer.made, 30)
        lags = watcher.lags(writer.made)
        runs = len(stack.api.runs("stripe_poll"))
    env.log(f"{runs} runs of stripe_poll, the longest time without a poll {polls.longest:.2f} s")
    assert runs >= 3, "fewer than two hand-overs"
    return [
        Measured("live.p50_s", percentile(lags, 0.5), "s", "<= 0.6"),
        Measured("live.p99_s", _outside_handovers(lags, runs - 1, polls.longest), "s", "<= 1.2"),
        Measured("live.worst_s", max(lags), "s"),
        Measured("live.handover_gap_s", polls.longest, "s", "<= 2.0"),
    ]


def _outside_handovers(lags: list[float], handovers: int, gap: float) -> float:
    """The 99th percentile without the changes that fell into a hand-over."""
    inside = round(handovers * gap * STEADY_PER_SECOND)
    return percentile(sorted(lags)[: len(lags) - inside], 0.99)


@contextmanager
def _stack(env: BenchEnvironment) -> Iterator[Stack]:
    """Airflow with its own warehouse, on the sandbox of the rig."""
    with TemporaryDirectory(dir=env.folder, prefix="stack-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(
            stripe_api_key=KEY,
            stripe_api_base=env.control.base_url,
            stripe_account=None,
            warehouse_url=None,
            lake_url=None,
            airflow_port=free_port(),
            sandbox_port=free_port(),
            stack_dir=Path(folder),
        )
        with running(
            settings,
            lambda text: None,
            throwaway=True,
            environment={"STRIPE_POLL_RUN_SECONDS": str(RUN_SECONDS)},
        ) as stack:
            yield stack


class _Polls:
    """Finds the longest time without a poll."""

    def __init__(self, control: SandboxControl) -> None:
        self._control = control
        self._stop = Event()
        self._thread = Thread(target=self._run)
        self.longest = 0.0

    def _run(self) -> None:
        polled, count = time.monotonic(), -1
        while not self._stop.wait(0.05):
            endpoints: dict[str, int] = self._control.stats(livemode=True)["by_endpoint"]
            now, seen = time.monotonic(), endpoints.get("GET /v1/events", 0)
            if seen != count:
                if count >= 0:
                    self.longest = max(self.longest, now - polled)
                polled, count = now, seen

    def __enter__(self) -> _Polls:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _polls(control: SandboxControl) -> _Polls:
    return _Polls(control)


def _burst(env: BenchEnvironment, api_version: str | None = None) -> list[Measured]:
    """Two hundred changes a second for a minute: far more than can be fetched."""
    env.sandbox(latency=0.0, limited=False)
    env.control.seed({"customer": CUSTOMERS}, livemode=True)
    title = "live.burst" if api_version is None else "live.burst_other_version"
    with env.sync() as connections:
        for name in plan_backfill(connections, SYNC, ["customer"]).collections:
            backfill_collection(connections, SYNC, name)
        env.control.settings(
            latency=LATENCY, **({"api_version": api_version} if api_version else {})
        )
        stop = env.folder / f"{title}.stop"
        poller = Task.start(poll_until, connections, (SYNC,), stop)
        wait_for_pollers(connections.warehouse_url, 1)
        count = int(BURST_PER_SECOND * BURST_SECONDS)
        reported = api_version or "the pinned version"
        env.log(f"{count:,} changes, {BURST_PER_SECOND:.0f} a second, rendered in {reported} …")
        writer = _writer(env, BURST_PER_SECOND, count)
        with Watcher(connections.warehouse_url) as watcher:
            began = time.monotonic()
            writer.run()
            ended = time.monotonic()
            env.log(f"made in {ended - began:.1f} s; waiting until all can be read …")
            watcher.wait_for(writer.made, PATIENCE)
            lags = watcher.lags(writer.made)
            recovered = time.monotonic() - ended
        lost, late = _not_exactly_once(env, connections)
        stop.touch()
        poller.cost()
    found = [
        Measured(f"{title}_lost", lost, "Stripe events", "<= 0"),
        Measured(f"{title}_p99_s", percentile(lags, 0.99), "s"),
        Measured(f"{title}_events_p99_s", late, "s", "<= 2.0"),
    ]
    target = "<= 10" if api_version is None else ""
    return [*found, Measured(f"{title}_recovery_s", recovered, "s", target)]


def _not_exactly_once(env: BenchEnvironment, connections: Connections) -> tuple[int, float]:
    """Stripe events without exactly one change event, and the p99 latency of change events."""
    made = [e["id"] for e in env.control.objects("event", livemode=True)]
    with psycopg.connect(connections.warehouse_url) as connection:
        rows = connection.execute(
            "SELECT stripe_event_id, extract(epoch FROM created_at - upstream_updated_at)::float"
            " FROM stripe_raw.events WHERE stripe_event_id IS NOT NULL"
        ).fetchall()
    reported = Counter(row[0] for row in rows)
    # Stripe rounds down to whole seconds, which adds half a second on average.
    return sum(reported[name] != 1 for name in made), percentile(
        [row[1] for row in rows], 0.99
    ) - 0.5


def _many(env: BenchEnvironment) -> list[Measured]:
    """A hundred syncs in one task."""
    env.sandbox(latency=0.0, limited=False)
    names = [f"sync{number:03d}" for number in range(ACCOUNTS)]
    customers: dict[str, str] = {}
    with env.sync() as base:
        for name in names:
            env.control.add_account(f"acct_{name}")
            env.control.add_key(_key(name), account=f"acct_{name}")
            env.control.seed({"customer": 5}, account=f"acct_{name}", livemode=True)
            objects = env.control.objects("customer", account=f"acct_{name}", livemode=True)
            customers |= {obj["id"]: _key(name) for obj in objects}
            for collection in plan_backfill(of_sync(base, name), name, ["customer"]).collections:
                backfill_collection(of_sync(base, name), name, collection)
        env.control.settings(latency=LATENCY)
        stop = env.folder / "many.stop"
        env.log(f"{ACCOUNTS} syncs in one task …")
        poller = Task.start(poll_until, base, (), stop)
        wait_for_pollers(base.warehouse_url, ACCOUNTS)
        time.sleep(3)
        idle = Idle(base.warehouse_url, poller.process.pid or 0)
        time.sleep(20)
        polls, cpu = idle.since()
        writer = Writer(env.control.base_url, customers, STEADY_PER_SECOND, 400)
        with Watcher(base.warehouse_url) as watcher:
            writer.run()
            watcher.wait_for(writer.made, 30)
            lags = watcher.lags(writer.made)
        stop.touch()
        poller.cost()
    env.log(f"{polls / 20:.0f} polls a second, {cpu / 20:.2f} cores")
    return [
        Measured("live.syncs_100_p50_s", percentile(lags, 0.5), "s"),
        Measured("live.syncs_100_p99_s", percentile(lags, 0.99), "s", "<= 2.0"),
        Measured("live.syncs_100_polls_per_second", polls / 20, "polls", ">= 190"),
        Measured("live.cpu_ms_per_idle_poll", 1_000 * cpu / polls, "ms"),
    ]


class Idle:
    """What polling costs while nothing happens."""

    def __init__(self, url: str, pid: int) -> None:
        self._url = url
        self._pid = pid
        self._began = self._read()

    def since(self) -> tuple[int, float]:
        """Polls and CPU seconds of the process since the beginning."""
        polls, cpu = self._read()
        return polls - self._began[0], cpu - self._began[1]

    def _read(self) -> tuple[int, float]:
        import psutil

        with psycopg.connect(self._url) as connection:
            row = connection.execute("SELECT sum(polls) FROM stripe_sync.poll_state").fetchone()
        times = psutil.Process(self._pid).cpu_times()
        return int(str(row[0])) if row else 0, times.user + times.system


def poll_until(connections: Connections, syncs: tuple[str, ...], stop: Path) -> float:
    """Poll until a file appears; runs in a process of its own. Returns its CPU seconds."""
    with stopped_by(stop), suppress(KeyboardInterrupt):
        poll_for(
            lambda name: of_sync(connections, name),
            connections.warehouse_url,
            seconds=PATIENCE,
            syncs=syncs,
        )
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def stopped_by(file: Path) -> Iterator[None]:
    """Interrupt this process when a file appears."""
    import _thread

    def wait() -> None:
        while not file.exists():
            time.sleep(0.1)
        _thread.interrupt_main()

    Thread(target=wait, daemon=True).start()
    yield


def of_sync(connections: Connections, name: str) -> Connections:
    """What one of many syncs works with."""
    if name == SYNC:
        return connections
    credential = Credential(_key(name), connections.credential.api_base)
    return replace(connections, credential=credential, settings=SyncSettings())


def _key(name: str) -> str:
    return f"sk_live_{name}"


def _writer(env: BenchEnvironment, per_second: float, count: int) -> Writer:
    customers = {obj["id"]: KEY for obj in env.control.objects("customer", livemode=True)}
    return Writer(env.control.base_url, customers, per_second, count)


def wait_for_pollers(url: str, count: int) -> None:
    """Until so many syncs are polled."""
    query = "SELECT count(*) FROM stripe_sync.poll_state WHERE lease_owner IS NOT NULL"
    end = time.monotonic() + 120
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < end:
            row = connection.execute(query).fetchone()
            if row and int(str(row[0])) >= count:
                return
            time.sleep(0.1)
    message = "polling did not begin within two minutes"
    raise RuntimeError(message)
