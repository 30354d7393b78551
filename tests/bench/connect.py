"""Two hundred connected accounts of one platform: they appear, are backfilled, and stay live."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from bench.changes import Watcher, Writer
from bench.environment import KEY, SYNC, BenchEnvironment
from bench.live import (
    LATENCY,
    PATIENCE,
    STEADY_PER_SECOND,
    Idle,
    stopped_by,
    wait_for_pollers,
)
from bench.measure import Measured, Task, percentile
from stripe_sync import backfill, sync_connected_accounts
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.poll.supervisor import poll_for

ACCOUNTS = 200
CHANGES = 400
IDLE_SECONDS = 20


def measure(env: BenchEnvironment) -> list[Measured]:
    """Appearance, backfill and latency with one key in one task, polled twice a second each."""
    env.sandbox(latency=0.0, limited=False)
    customers: dict[str, str] = {}
    for number in range(ACCOUNTS):
        account = f"acct_{number:03d}"
        env.control.add_account(account)
        env.control.seed({"customer": 5}, account=account, livemode=True)
        objects = env.control.objects("customer", account=account, livemode=True)
        customers |= {obj["id"]: account for obj in objects}
    # Their cadence would be adaptive.
    with env.sync(cadence="fixed") as base:
        began = time.monotonic()
        created = sync_connected_accounts(base, SYNC, ["all"]).created
        appeared = time.monotonic() - began
        assert len(created) == ACCOUNTS
        env.log(f"{ACCOUNTS} connected accounts, one key: backfilling …")
        began = time.monotonic()
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            list(pool.map(partial(_backfill, base), [sync.name for sync in created]))
        backfilled = time.monotonic() - began
        env.control.settings(latency=LATENCY)
        stop = env.folder / "connect.stop"
        poller = Task.start(_poll_until, base, stop)
        began = time.monotonic()
        wait_for_pollers(base.warehouse_url, ACCOUNTS + 1)
        env.log(f"all are polled after {time.monotonic() - began:.1f} s")
        time.sleep(3)
        idle = Idle(base.warehouse_url, poller.process.pid or 0)
        time.sleep(IDLE_SECONDS)
        polls, cpu = idle.since()
        env.log(f"{polls / IDLE_SECONDS:.0f} polls a second, {cpu / IDLE_SECONDS:.2f} cores")
        keys = dict.fromkeys(customers, KEY)
        writer = Writer(env.control.base_url, keys, STEADY_PER_SECOND, CHANGES, customers)
        with Watcher(base.warehouse_url) as watcher:
            writer.run()
            watcher.wait_for(writer.made, 30)
            lags = watcher.lags(writer.made)
        stop.touch()
        poller.cost()
    return [
        Measured("connect.appear_s", appeared, "s"),
        Measured("connect.backfill_s", backfilled, "s"),
        Measured("connect.p50_s", percentile(lags, 0.5), "s"),
        Measured("connect.p99_s", percentile(lags, 0.99), "s", "<= 2.0"),
        Measured("connect.polls_per_second", polls / IDLE_SECONDS, "polls", ">= 380"),
        Measured("connect.cpu_ms_per_idle_poll", 1_000 * cpu / polls, "ms"),
    ]


def _backfill(connections: Connections, name: str) -> None:
    backfill(connections, name, ["customer"])


def _poll_until(connections: Connections, stop: Path) -> None:
    """Poll all syncs with one key until a file appears; runs in a process of its own."""
    with stopped_by(stop), suppress(KeyboardInterrupt):
        poll_for(lambda _: connections, connections.warehouse_url, seconds=PATIENCE)
