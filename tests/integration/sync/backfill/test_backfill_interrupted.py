"""A backfill that is killed, disturbed or doubled ends as one that nothing happened to."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from databases import new_database
from integration.sync.sync_processes import Work, backfill_collection
from stripe_sandbox.server import Running
from stripe_sandbox.server import running as running_sandbox
from stripe_stack.database.pgserver import PostgresServer, get_server
from stripe_sync.errors import AuthenticationError, SyncBusy
from stripe_sync.sync.connections import SyncSettings
from sync_harness import SYNC, SyncHarness, make_harness

KILLS = int(os.environ.get("STRIPE_SYNC_TEST_KILLS", "4"))
OBJECTS = 8_000
LATENCY = 0.01
FAST = SyncSettings(
    redact=False,
    requests_per_second=1_000,
    total_requests_per_second=1_000,
    endpoint_requests_per_second=1_000,
)


@pytest.fixture(scope="module")
def shop() -> Iterator[Running]:
    """A sandbox with many customers; its answers take a little while."""
    with running_sandbox() as sandbox:
        sandbox.control.seed({"customer": OBJECTS}, spread="random")
        sandbox.control.settings(latency=LATENCY)
        yield sandbox


@pytest.fixture(scope="module")
def clean(
    shop: Running, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What a backfill leaves that nothing happened to."""
    with new_database(postgres_url) as url:
        harness = fast_stand(shop, url, tmp_path_factory.mktemp("clean"))
        [report] = harness.backfill("customer")
        assert report.objects == OBJECTS
        return harness.contents(clock=False)


@pytest.fixture
def harness(shop: Running, warehouse_url: str, tmp_path: Path) -> Iterator[SyncHarness]:
    """A sync of that shop whose backfill is about to run."""
    harness = fast_stand(shop, warehouse_url, tmp_path)
    harness.plan("customer")
    yield harness
    shop.control.no_faults()


def fast_stand(sandbox: Running, url: str, folder: Path) -> SyncHarness:
    """A sync that is not limited by Stripe's limits."""
    harness = make_harness(sandbox, url, folder)
    return replace(harness, connections=replace(harness.connections, settings=FAST))


def begin(harness: SyncHarness) -> Work:
    return Work(backfill_collection, harness.connections, SYNC, "customer")


def wait_until(happened: Callable[[], bool], work: Work) -> None:
    while work.process.is_alive() and not happened():
        time.sleep(0.004)


def after_requests(harness: SyncHarness, count: int) -> Callable[[], bool]:
    """So many more requests have come in."""
    meter = harness.sandbox.app.holder.state
    begun = _requests(meter)
    return lambda: _requests(meter) >= begun + count


def _requests(state: Any) -> int:
    return int(sum(sum(mode.meter.requests.values()) for mode in state.modes.values()))


def after_a_file(harness: SyncHarness, _: int) -> Callable[[], bool]:
    """The next Parquet file stands, and its transaction probably does not."""
    folder = Path(harness.connections.lake_url)
    begun = set(folder.rglob("*.parquet"))
    return lambda: bool(set(folder.rglob("*.parquet")) - begun)


def after_half_a_file(harness: SyncHarness, _: int) -> Callable[[], bool]:
    """A Parquet file is being written; at the latest when two more chunks are committed."""
    begun = harness.state("customer")["chunk"]
    lake = Path(harness.connections.lake_url)
    return lambda: any(lake.rglob(".tmp-*")) or harness.state("customer")["chunk"] >= begun + 2


def after_a_chunk(harness: SyncHarness, count: int) -> Callable[[], bool]:
    """So many more chunks are committed."""
    begun = harness.state("customer")["chunk"]
    return lambda: harness.state("customer")["chunk"] >= begun + 1 + count % 2


def test_killing_it_again_and_again_changes_nothing(
    harness: SyncHarness, clean: dict[str, Any]
) -> None:
    rng = random.Random(20260401)
    points = [after_requests, after_a_file, after_half_a_file, after_a_chunk]
    killed = 0
    for kill in range(KILLS):
        happened = points[kill % len(points)](harness, rng.randrange(1, 90))
        work = begin(harness)
        wait_until(happened, work)
        killed += work.process.is_alive()
        work.kill()
    assert killed >= KILLS // 2
    assert begin(harness).end() == "done"
    assert harness.contents(clock=False) == clean


def test_errors_on_the_way_change_nothing(harness: SyncHarness, clean: dict[str, Any]) -> None:
    control = harness.sandbox.control
    for kind, share in (("reset", 0.02), ("server_error", 0.02), ("truncate", 0.01)):
        control.fault(kind, endpoint="GET /v1/customers", probability=share)
    assert begin(harness).end() == "done"
    assert harness.contents(clock=False) == clean


def test_two_backfills_at_once_store_nothing_twice(
    harness: SyncHarness, clean: dict[str, Any]
) -> None:
    works = [begin(harness), begin(harness)]
    ended = [work.end() for work in works]
    busy = [error for error in ended if isinstance(error, SyncBusy)]
    assert len(busy) == 1
    assert ended.count("done") == 1
    assert harness.contents(clock=False) == clean


def test_a_backfill_resumes_after_a_revoked_key_is_restored(
    harness: SyncHarness, clean: dict[str, Any]
) -> None:
    control, key = harness.sandbox.control, harness.sandbox.api_key
    work = begin(harness)
    wait_until(after_requests(harness, 40), work)
    control.remove_key(key)
    try:
        ended = work.end()
    finally:
        control.add_key(key)
    assert isinstance(ended, AuthenticationError)
    assert harness.state("customer")["status"] == "failed"
    assert begin(harness).end() == "done"
    assert harness.contents(clock=False) == clean


def test_a_killed_server_that_comes_back_changes_nothing(
    shop: Running, clean: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(f"/tmp/pg-{os.getpid()}-{tmp_path.name[-8:]}")
    server = get_server(folder, cleanup_mode="delete")
    try:
        harness = fast_stand(shop, server.get_uri(), tmp_path)
        harness.plan("customer")
        work = begin(harness)
        wait_until(after_a_chunk(harness, 0), work)
        _kill(server)
        assert isinstance(work.end(), Exception)
        server.ensure_postgres_running()
        assert begin(harness).end() == "done"
        assert harness.contents(clock=False) == clean
    finally:
        server.cleanup()


def _kill(server: PostgresServer) -> None:
    """Kill a server's first process; its others notice, and leave the shared memory."""
    first = psutil.Process(server.get_pid())
    others = first.children(recursive=True)
    first.kill()
    _, left = psutil.wait_procs([first, *others], timeout=60)
    assert left == []


def test_changes_during_a_backfill_are_stored(warehouse_url: str, tmp_path: Path) -> None:
    with running_sandbox() as sandbox:
        sandbox.control.seed({"customer": 8_000}, spread="random")
        harness = fast_stand(sandbox, warehouse_url, tmp_path)
        harness.plan("customer")
        sandbox.control.settings(latency=LATENCY)
        work = begin(harness)
        stop = threading.Event()
        changing = threading.Thread(target=change_customers, args=(harness, stop))
        changing.start()
        assert work.end() == "done"
        stop.set()
        changing.join()
        # At rest: nothing new, and nothing that is still to be fetched.
        while harness.poll(2).stripe_events or harness.sql(
            "SELECT 1 FROM stripe_sync.pending_fetches"
        ):
            pass
        now = {customer["id"]: customer for customer in sandbox.control.objects("customer")}
        stored = dict(
            harness.sql("SELECT upstream_id, payload FROM stripe_raw.records WHERE NOT deleted")
        )
        expected = {
            key: {**value} for key, value in stored.items() if value["object"] == "customer"
        }
        differing = {
            key for key in expected.keys() | now.keys() if expected.get(key) != now.get(key)
        }
        assert not differing
        harness.assert_streams_agree()


def change_customers(harness: SyncHarness, stop: threading.Event) -> None:
    """Create, change and delete customers, old ones and new ones, until stopped."""
    rng = random.Random(20260402)
    customers = [customer["id"] for customer in harness.sandbox.control.objects("customer")]
    api = harness.stripe.v1.customers
    while not stop.is_set():
        customers.append(api.create({"name": "new"}).id)
        api.update(rng.choice(customers), {"description": f"changed {rng.random()}"})
        gone = customers.pop(rng.randrange(len(customers)))
        api.delete(gone)
