"""Everything works through a transaction pooler, and leaves nothing in its sessions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

import stripe_sync
from pgbouncer import pooled, running_pgbouncer
from stripe_sandbox.server import Running
from stripe_sync.client import SharedBudget
from stripe_sync.client.rate_limit.limits import PacingLimits, Priority
from stripe_sync.clock import SystemClock
from stripe_sync.errors import SyncBusy, WarehouseError
from stripe_sync.records import ids
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness, make_harness

SESSIONS = 4

# What one session has kept of its earlier transactions. PgBouncer itself sets the parameters that
# it tracks for each client.
LEFT_BEHIND = """
SELECT pg_backend_pid(),
    (SELECT count(*) FROM pg_prepared_statements),
    (SELECT count(*) FROM pg_class WHERE relpersistence = 't'),
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
    (SELECT count(*) FROM pg_listening_channels()),
    (SELECT array_agg(name) FROM pg_settings WHERE source = 'session' AND name NOT IN (
        'application_name', 'client_encoding', 'DateStyle', 'TimeZone',
        'standard_conforming_strings'))
"""


@pytest.fixture(scope="module")
def pgbouncer(postgres_url: str) -> Iterator[Path]:
    with running_pgbouncer(postgres_url) as folder:
        yield folder


def opened_pool(database_url: str, pgbouncer: Path) -> str:
    """A database behind a pool of several sessions, which take turns."""
    url = pooled(database_url, pgbouncer)
    with ExitStack() as stack:
        for _ in range(SESSIONS):
            connection = stack.enter_context(psycopg.connect(url))
            connection.execute("SELECT 1")  # holds a session until the transaction ends
    return url


@pytest.fixture
def pooled_url(pgbouncer: Path, warehouse_url: str) -> str:
    return opened_pool(warehouse_url, pgbouncer)


@pytest.fixture
def harness(sandbox: Running, pooled_url: str, tmp_path: Path) -> SyncHarness:
    return make_harness(sandbox, pooled_url, tmp_path)


def assert_nothing_is_left_behind(url: str) -> None:
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        found = [connection.execute(LEFT_BEHIND).fetchone() for _ in range(2 * SESSIONS)]
    rows = [row for row in found if row is not None]
    assert len({pid for pid, *_ in rows}) > 1, "the pooler must spread the transactions"
    assert {tuple(rest) for _, *rest in rows} == {(0, 0, 0, 0, None)}


def test_every_use_case_works_and_leaves_nothing_in_a_session(
    harness: SyncHarness, pgbouncer: Path, empty_database_url: str
) -> None:
    connections, sandbox = harness.connections, harness.sandbox
    sandbox.control.seed({"customer": 20, "product": 5})
    names = ["customer", "product"]
    for _ in range(2):
        reports = stripe_sync.backfill(connections, collections=names)
        assert [report.status for report in reports] == ["done", "done"]
    for number in range(5):
        harness.stripe.v1.customers.create({"name": f"customer {number}"})
        harness.poll()
    customers = sandbox.control.objects("customer")
    harness.stripe.v1.customers.delete(customers[0]["id"])
    harness.poll()
    drift = {r.collection: r.drift for r in stripe_sync.reconcile(connections, collections=names)}
    assert drift == {"customer": 0, "product": 0}
    stripe_sync.maintain(connections)
    created = stripe_sync.mutate(connections, "stripe:customer", "create", [{"name": "Paul"}])
    renamed = [{"id": created.records[0]["upstream_id"], "name": "Muad'Dib"}]
    assert stripe_sync.mutate(connections, "stripe:customer", "update", renamed).failed == []
    gone = [{"id": customers[1]["id"]}]
    assert stripe_sync.mutate(connections, "stripe:customer", "delete", gone).failed == []
    harness.poll()

    harness.assert_streams_agree()
    live = "SELECT count(*) FROM stripe_raw.records WHERE NOT deleted AND collection_id = %s"
    assert harness.sql(live, "stripe:customer") == [(24,)]
    assert_nothing_is_left_behind(connections.warehouse_url)

    lost = replace(connections, warehouse_url=opened_pool(empty_database_url, pgbouncer))
    assert {report.status for report in stripe_sync.reload(lost)} == {"done"}
    assert replace(harness, connections=lost).sql(live, "stripe:customer") == [(24,)]
    assert_nothing_is_left_behind(lost.warehouse_url)


def test_a_lock_holds_across_the_transactions_of_others(
    pooled_url: str, warehouse_url: str
) -> None:
    sync_id = ids.sync_id(SYNC)
    with Warehouse(pooled_url) as holder, Warehouse(warehouse_url) as direct:
        for other in (Warehouse(pooled_url), direct):
            with holder.locks.backfill(sync_id, "stripe:customer"), other:
                for _ in range(SESSIONS):
                    assert holder.syncs.all() == []
                    with (
                        pytest.raises(SyncBusy),
                        other.locks.backfill(sync_id, "stripe:customer"),
                    ):
                        pytest.fail("two processes hold one lock")
            with other.locks.backfill(sync_id, "stripe:customer"):
                pass
    assert_nothing_is_left_behind(pooled_url)


def test_the_request_budget_leaves_nothing_in_a_session(pooled_url: str) -> None:
    async def reserve() -> int:
        budget = SharedBudget(pooled_url, SystemClock())
        limits = PacingLimits.for_key(livemode=False)
        slots = 0
        for _ in range(12):
            got = await budget.reserve("acct", limits, "GET /v1/events", Priority.LIVE, 1)
            slots += len(got.slots)
            await budget.slow_down("acct", "GET /v1/events")
        await budget.aclose()
        return slots

    assert asyncio.run(reserve()) > 0
    assert_nothing_is_left_behind(pooled_url)


def test_changes_are_reported_though_listen_has_no_effect(
    harness: SyncHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.sandbox.control.seed({"customer": 1})
    harness.backfill("customer")
    harness.poll()

    async def next_change() -> Any:
        changes = stripe_sync.listen_streams(
            harness.connections.warehouse_url, seconds=0.1, watcher="test"
        )
        first = asyncio.ensure_future(anext(changes))
        while "behind a connection pooler" not in caplog.text:
            await asyncio.sleep(0.02)
        # Positions are read after the warning; changes go on until one of them is later.
        while not first.done():
            await asyncio.to_thread(harness.stripe.v1.customers.create, {"name": "Paul"})
            await asyncio.to_thread(harness.poll)
        await changes.aclose()
        return first.result()

    with caplog.at_level(logging.WARNING):
        change = asyncio.run(next_change())
    assert change.sync == SYNC
    assert change.collections["stripe:customer"] >= 1
    assert_nothing_is_left_behind(harness.connections.warehouse_url)


def test_a_parameter_that_the_pooler_refuses_is_named(pooled_url: str) -> None:
    url = f"{pooled_url}&options=-c%20statement_timeout%3D5000"
    with Warehouse(url) as warehouse, pytest.raises(WarehouseError) as refused:
        warehouse.upgrade()
    assert "options" in str(refused.value)
    assert "ignore_startup_parameters" in str(refused.value)
