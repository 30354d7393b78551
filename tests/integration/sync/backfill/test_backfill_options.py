"""What can be set of a backfill, for a run and for a sync."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from integration.sync.sync_processes import Work
from stripe_sync.clock import SystemClock, to_unix
from stripe_sync.errors import ConfigurationError
from stripe_sync.sync.backfill.backfill import backfill_collection
from stripe_sync.sync.connections import SyncSettings
from stripe_sync.sync.progress import Progress, ProgressTracker
from sync_harness import SYNC, SyncHarness

DAY = 86_400
FAST = {
    "requests_per_second": 500,
    "total_requests_per_second": 500,
    "endpoint_requests_per_second": 500,
}


def set_to(harness: SyncHarness, **settings: object) -> SyncHarness:
    chosen = SyncSettings.parse({"redact": False, **settings})
    return replace(harness, connections=replace(harness.connections, settings=chosen))


def test_max_age_leaves_out_older_objects_unless_a_run_sets_since(harness: SyncHarness) -> None:
    now = SystemClock().now()
    harness.sandbox.control.seed({"charge": 200}, start=to_unix(now) - 20 * DAY)
    young = set_to(harness, max_age_days=5)
    [report] = young.backfill("charge")
    assert 48 <= report.objects <= 52
    [report] = young.backfill("charge", since=now - timedelta(days=10))
    assert 97 <= report.objects <= 103


def test_an_interrupted_run_keeps_the_bound_it_began_with(harness: SyncHarness) -> None:
    harness.sandbox.control.seed({"charge": 9_000}, start=to_unix(SystemClock().now()) - 20 * DAY)
    young = set_to(harness, max_age_days=10, **FAST)
    young.plan("charge")
    work = Work(backfill_collection, young.connections, SYNC, "charge")
    assert work.messages.recv() < 4_000
    work.kill()
    bound = young.state("charge")["cursor"]["bound"]
    report = backfill_collection(young.connections, SYNC, "charge")
    assert report.status == "done"
    assert report.objects == young.sql("SELECT count(*) FROM stripe_raw.records")[0][0]
    older = "SELECT count(*) FROM stripe_raw.records WHERE (payload ->> 'created')::int < %s"
    assert young.sql(older, bound) == [(0,)]


def test_without_created_events_a_record_gets_its_first_event_when_it_changes(
    harness: SyncHarness,
) -> None:
    harness.sandbox.control.seed({"customer": 30})
    quiet = set_to(harness, created_events=False)
    quiet.backfill("customer")
    assert quiet.sql("SELECT count(*) FROM stripe_raw.records") == [(30,)]
    assert quiet.sql("SELECT count(*) FROM stripe_raw.events") == [(0,)]
    assert list(quiet.lake.event_batches()) == []
    assert len(quiet.lake.records("customer")) == 30
    customer = harness.stripe.v1.customers.list({"limit": 1}).data[0].id
    harness.stripe.v1.customers.update(customer, {"description": "changed"})
    quiet.poll()
    [event] = quiet.events(customer)
    assert event["event_type"] == "updated"
    assert quiet.record(customer)["seq"] == event["seq"]
    assert quiet.record(customer)["updated_idx"] == 2
    seqs = [row[0] for row in quiet.sql("SELECT seq FROM stripe_raw.records")]
    assert len(set(seqs)) == len(seqs)


def test_a_backfill_rate_above_the_total_rate_is_refused(harness: SyncHarness) -> None:
    harness.plan("customer")
    with pytest.raises(ConfigurationError, match="backfill"):
        backfill_collection(harness.connections, SYNC, "customer", requests_per_second=26)


def test_the_status_has_rate_and_time_left(harness: SyncHarness) -> None:
    harness.sandbox.control.seed({"charge": 6_000}, spread="random")
    fast = set_to(harness, **FAST)
    fast.plan("charge")
    seen: list[tuple[Progress, dict[str, object]]] = []
    backfill_collection(
        fast.connections,
        SYNC,
        "charge",
        progress=lambda progress: seen.append((progress, fast.state("charge"))),
    )
    progress, state = seen[0]
    assert progress.percent is not None
    assert progress.seconds_left is not None
    assert (state["status"], state["objects"]) == ("running", progress.objects)
    assert state["objects_per_second"]
    assert state["eta"]
    ended = fast.state("charge")
    assert (ended["percent"], ended["eta"]) == (100, None)
    assert ended["objects_per_second"] > 0


def test_a_resumed_run_counts_rate_and_time_left_from_where_it_resumed() -> None:
    class Stopwatch(SystemClock):
        now_at = 0.0

        def monotonic(self) -> float:
            return self.now_at

    clock = Stopwatch()
    meter = ProgressTracker("charge", clock)
    meter.begin(9_000, 60.0)
    clock.now_at = 10.0
    read = meter.read(objects=10_000, requests=110, percent=70.0)
    assert (read.objects_per_second, read.seconds_left) == (100.0, 30.0)


def test_a_list_of_many_requests_and_no_objects_shows_its_progress(harness: SyncHarness) -> None:
    harness.sandbox.control.seed({"customer": 250})
    set_to(harness, **FAST).backfill("customer")
    slow = set_to(harness, **FAST | {"requests_per_second": 20, "read_every_parent": True})
    seen: list[Progress] = []
    [report] = slow.backfill("customer_balance_transaction", progress=seen.append)
    assert (report.objects, report.requests >= 250) == (0, True)
    shown = [(each.requests, each.percent) for each in seen]
    assert len(shown) >= 2
    assert shown == sorted(shown)
    assert all(percent is not None and percent < 100 for _, percent in shown)
    state = slow.state("customer_balance_transaction")
    assert state["requests"] == report.requests
