"""A busy account for hours: faults of every kind, an outage of each neighbour, nobody's hand on it.

Twenty changes a second; Stripe events come late, twice and shuffled, some fetches fail. Stripe, the
warehouse and the poller each have one outage. At the end every change is one change event.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from urllib.parse import urlsplit

import psycopg

from bench.changes import Made, Watcher, Writer
from bench.environment import KEY, SYNC, BenchEnvironment
from bench.live import poll_until
from bench.measure import Measured, Task, percentile
from stripe_sync.sync.backfill.backfill import backfill_collection, plan_backfill
from stripe_sync.sync.connections import Connections

PER_SECOND = 20.0
CUSTOMERS = 2_000
LATENCY = 0.05
PROMPT = 1.2
"""Longest lag, in seconds, of 99 of 100 changes once an outage is over."""

_PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Outage:
    """Something that was down.

    Attributes:
        name: What.
        began: Monotonic time.
        ended: Monotonic time.
    """

    name: str
    began: float
    ended: float


class Poller:
    """A polling process that can be killed."""

    def __init__(self, env: BenchEnvironment, connections: Connections) -> None:
        self._stop = env.folder / "busy_day.stop"
        self._connections = connections
        self._task = self._start()

    def _start(self) -> Task:
        return Task.start(poll_until, self._connections, (SYNC,), self._stop)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Kill it as a power cut would; start another one at the end."""
        self._task.process.kill()
        self._task.process.join()
        yield
        self._task = self._start()

    @property
    def runs(self) -> bool:
        """Whether the process lives."""
        return self._task.process.is_alive()

    def stop(self) -> None:
        """End it in order."""
        self._stop.touch()
        self._task.cost()


def measure(env: BenchEnvironment, minutes: float) -> list[Measured]:
    """Run for so long; each outage takes a twelfth of it."""
    env.sandbox(latency=0.0, limited=True)
    env.control.seed({"customer": CUSTOMERS}, livemode=True)
    with env.sync() as connections:
        for name in plan_backfill(connections, SYNC, ["customer"]).collections:
            backfill_collection(connections, SYNC, name)
        env.control.settings(latency=LATENCY)
        _set_faults(env)
        poller = Poller(env, connections)
        _wait_until_polled(connections)
        customers = {obj["id"]: KEY for obj in env.control.objects("customer", livemode=True)}
        seconds = 60 * minutes
        writer = Writer(env.control.base_url, customers, PER_SECOND, int(PER_SECOND * seconds))
        env.log(f"{writer.count:,} changes in {minutes:g} minutes, three outages …")
        with Watcher(connections.warehouse_url) as watcher:
            writing = Thread(target=writer.run)
            writing.start()
            outages = _outages(env, connections, poller, seconds / 12)
            writing.join()
            env.control.no_faults()
            watcher.wait_for(writer.made, _PATIENCE)
            made = writer.made
            lags = dict(zip([change.number for change in made], watcher.lags(made), strict=True))
        alive = poller.runs
        poller.stop()
        lost, doubled = _counts(env, connections)
    return [
        Measured("soak.changes", len(made), "changes"),
        Measured("soak.lost", lost, "Stripe events", "<= 0"),
        Measured("soak.doubled", doubled, "Stripe events", "<= 0"),
        Measured("soak.poller_alive", float(alive), "", ">= 1"),
        *(
            Measured(f"soak.{outage.name}_recovery_s", _recovery(outage, made, lags), "s", "<= 60")
            for outage in outages
        ),
        Measured("soak.p99_s", percentile(_undisturbed(outages, made, lags), 0.99), "s"),
    ]


def _set_faults(env: BenchEnvironment) -> None:
    control = env.control
    # Fewer than one in a hundred, so that the 99th percentile shows what polling does.
    control.fault("late_event", probability=0.003, seconds=20.0)
    control.fault("duplicate_event", probability=0.02)
    control.fault("server_error", endpoint="GET /v1/customers/*", probability=0.005)


def _outages(
    env: BenchEnvironment, connections: Connections, poller: Poller, seconds: float
) -> list[Outage]:
    """One after another, with time to recover between them."""

    def stripe() -> None:
        env.control.fault("server_error", endpoint="GET *", status=503)
        time.sleep(seconds)
        env.control.no_faults()
        _set_faults(env)

    def warehouse() -> None:
        with _closed(env.postgres_url, connections.warehouse_url):
            time.sleep(seconds)

    def scheduler() -> None:
        with poller.down():
            time.sleep(seconds)

    found = []
    causes: list[Callable[[], None]] = [stripe, warehouse, scheduler]
    for cause in causes:
        time.sleep(2 * seconds)
        began = time.monotonic()
        env.log(f"outage of {seconds:.0f} s: {cause.__name__}")
        cause()
        found.append(Outage(cause.__name__, began, time.monotonic()))
    return found


@contextmanager
def _closed(server_url: str, warehouse_url: str) -> Iterator[None]:
    """A warehouse that ends all connections and refuses new ones."""
    name = urlsplit(warehouse_url).path.lstrip("/")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def _wait_until_polled(connections: Connections) -> None:
    query = "SELECT count(*) FROM stripe_sync.poll_state WHERE lease_owner IS NOT NULL"
    end = time.monotonic() + 60
    with psycopg.connect(connections.warehouse_url, autocommit=True) as connection:
        while time.monotonic() < end:
            if connection.execute(query).fetchone() == (1,):
                return
            time.sleep(0.1)
    message = "polling did not begin within a minute"
    raise RuntimeError(message)


def _recovery(outage: Outage, made: list[Made], lags: dict[int, float]) -> float:
    """Seconds from the end of an outage until 99 of the next 100 changes are prompt again."""
    after = [change for change in made if change.at >= outage.ended]
    for start in range(0, max(len(after) - 100, 0), 10):
        group = after[start : start + 100]
        if percentile([lags[change.number] for change in group], 0.99) <= PROMPT:
            return group[0].at - outage.ended
    return float("inf")


def _undisturbed(outages: list[Outage], made: list[Made], lags: dict[int, float]) -> list[float]:
    """Lags of the changes more than a minute after the end of any outage, and not within one."""
    return [
        lags[change.number]
        for change in made
        if not any(outage.began - 2 <= change.at <= outage.ended + 60 for outage in outages)
    ]


def _counts(env: BenchEnvironment, connections: Connections) -> tuple[int, int]:
    """Changes without a change event, and changes with more than one.

    A Stripe event that reports the change of another one again has none of its own.
    """
    changes: dict[tuple[str, str], list[str]] = {}
    for event in env.control.objects("event", livemode=True):
        payload = event["data"]["object"]
        if event["type"] == "customer.updated":
            changes.setdefault((payload["id"], payload["description"]), []).append(event["id"])
    with psycopg.connect(connections.warehouse_url) as connection:
        rows = connection.execute(
            "SELECT stripe_event_id FROM stripe_raw.events WHERE stripe_event_id IS NOT NULL"
        ).fetchall()
        unreported = connection.execute(
            "SELECT count(*) FROM stripe_raw.events"
            " WHERE collection_id = 'stripe:customer' AND source = 'poll'"
            " AND stripe_event_id IS NULL"
        ).fetchone()
    stored = Counter(row[0] for row in rows)
    counts = [sum(stored[name] for name in names) for names in changes.values()]
    extra = int(unreported[0]) if unreported else 0
    return sum(count == 0 for count in counts), sum(count > 1 for count in counts) + extra
