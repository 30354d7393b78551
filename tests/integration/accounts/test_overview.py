"""The figures of a console: how all syncs stand, and what one did over time."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from stripe_sandbox.server import Running
from stripe_sync import (
    SyncOverview,
    create_sync,
    describe_overview,
    mutate,
    pause_sync,
    reconcile_collection,
    sync_activity,
    sync_status,
)
from sync_harness import SYNC, SyncHarness

COLLECTIONS = ["customer", "product"]


def overview(harness: SyncHarness, sync: str = SYNC) -> SyncOverview:
    [found] = [
        each
        for each in describe_overview(harness.connections.warehouse_url)
        if each.sync.name == sync
    ]
    return found


@pytest.fixture
def filled(harness: SyncHarness, sandbox: Running) -> SyncHarness:
    """A sync that was backfilled, with 3 customers and 2 products, and then polled a change."""
    sandbox.control.seed({"customer": 3, "product": 2})
    harness.backfill(*COLLECTIONS)
    harness.poll()
    harness.stripe.v1.customers.create({"name": "Ada"})
    harness.poll()
    return harness


def test_nothing_is_shown_of_an_empty_warehouse(empty_database_url: str) -> None:
    assert describe_overview(empty_database_url) == []


def test_a_sync_goes_from_new_to_live(harness: SyncHarness, sandbox: Running) -> None:
    url = harness.connections.warehouse_url
    create_sync(url, SYNC, livemode=False)
    assert (overview(harness).state, overview(harness).percent) == ("new", None)
    sandbox.control.seed({"customer": 3})
    harness.plan("customer")
    assert (overview(harness).state, overview(harness).percent) == ("backfilling", 0)
    harness.backfill("customer")
    found = overview(harness)
    assert (found.state, found.percent, found.objects) == ("live", None, 3)
    assert found.warnings == ()
    pause_sync(url, SYNC)
    assert overview(harness).state == "paused"


def test_a_sync_with_warnings_needs_attention(filled: SyncHarness) -> None:
    with psycopg.connect(filled.connections.warehouse_url) as connection:
        connection.execute(
            "UPDATE stripe_sync.collection_state SET status = 'failed', message = 'no room'"
            " WHERE collection_id = 'stripe:customer'"
        )
    found = overview(filled)
    assert found.state == "attention"
    assert found.warnings == ("the backfill of stripe:customer failed: no room",)


def test_figures_of_a_sync_that_is_polled(filled: SyncHarness) -> None:
    found = overview(filled)
    # 4 customers, 2 products, the Stripe event of the change.
    assert found.objects == 7
    assert found.polled_at is not None
    assert found.freshness_p50 is not None
    assert found.freshness_p99 is not None
    assert found.freshness_p50 <= found.freshness_p99
    assert sum(point.stripe_events for point in found.freshness) == 1
    assert len(found.freshness) == 48
    assert found.change_events_per_minute > 0
    assert found.requests_per_second > 0
    assert found.requests_limit == 25
    assert found.reads_30_days > 0


def test_requests_are_allowed_as_the_settings_say(filled: SyncHarness) -> None:
    stripe_sync_settings = {"total_requests_per_second": 7, "requests_per_second": 7}
    create_sync(
        filled.connections.warehouse_url, "slow", livemode=True, settings=stripe_sync_settings
    )
    assert overview(filled, "slow").requests_limit == 7
    create_sync(filled.connections.warehouse_url, "quick", livemode=True)
    assert overview(filled, "quick").requests_limit == 100
    assert overview(filled, "quick").requests_per_second == 0


def test_requests_are_counted_by_what_they_are_for(filled: SyncHarness) -> None:
    reconcile_collection(filled.connections, SYNC, "customer")
    mutate(filled.connections, "customer", "create", [{"name": "Bea"}], sync=SYNC)
    url = filled.connections.warehouse_url
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT kind, sum(requests) FROM stripe_sync.requests_by_minute"
            " WHERE account_key NOT LIKE 'unknown%%' GROUP BY kind"
        )
        counted = {kind: float(requests) for kind, requests in rows}
    assert counted.keys() == {"backfill", "poll", "reconcile", "mutation"}
    activity = sync_activity(url, SYNC)
    for kind, requests in counted.items():
        average = sum(getattr(point, kind) for point in activity.requests)
        assert average * 600 == pytest.approx(requests)
    # A slot that is reached too late is reserved once more, so there may be more of them.
    asked = filled.sandbox.control.stats()["requests"]
    with psycopg.connect(url) as connection:
        [[every]] = connection.execute("SELECT sum(requests) FROM stripe_sync.requests_by_minute")
    assert every >= asked - 1  # the customer that the test made itself


def test_activity_has_a_point_for_each_period(filled: SyncHarness) -> None:
    url = filled.connections.warehouse_url
    day, hour = sync_activity(url, SYNC), sync_activity(url, SYNC, hours=2.4)
    for activity, step in ((day, timedelta(minutes=10)), (hour, timedelta(minutes=1))):
        times = [point.at for point in activity.freshness]
        assert times == [point.at for point in activity.requests]
        assert len(times) == 144
        assert {later - earlier for earlier, later in pairwise(times)} == {step}
        events = [point for point in activity.freshness if point.stripe_events]
        assert sum(point.stripe_events for point in events) == 1
        assert all(point.p50 is not None for point in events)
        assert all(point.p99 is None for point in activity.freshness if point not in events)
    assert len(day.reads) == 30
    assert day.reads[-1].reads == overview(filled).reads_30_days
    assert (day.requests_limit, day.reads_allocation) == (25, None)


def test_the_status_of_a_collection_has_its_counts(filled: SyncHarness) -> None:
    [customer, product] = sync_status(filled.connections.warehouse_url, SYNC).collections
    assert (customer.records, customer.change_events) == (4, 4)
    assert (product.records, product.change_events) == (2, 2)
    assert customer.last_change_at is not None
    assert product.last_change_at is not None
    assert customer.last_change_at > product.last_change_at


def backfill_states(url: str, *states: tuple[str, int, float | None, int, int]) -> None:
    """Store collections: status, requests, percent, minutes since begin and since end."""
    with psycopg.connect(url) as connection:
        for number, (status, requests, percent, began, ended) in enumerate(states):
            connection.execute(
                "INSERT INTO stripe_sync.collection_state (sync_id, collection_id, status,"
                " requests, percent, started_at, finished_at, updated_at, cursor) SELECT id, %s,"
                " %s, %s, %s, now() - %s * interval '1 minute', now() - %s * interval '1 minute',"
                " now() - %s * interval '1 minute', %s FROM stripe_sync.syncs",
                (
                    *(f"stripe:{number}", status, requests, percent),
                    *(began, ended, began, "{}" if status == "running" else None),
                ),
            )


@pytest.mark.parametrize(
    ("states", "percent"),
    [
        ([("done", 10, 100, 9, 8)], None),
        ([("running", 10, 50, 9, 0)], 50),
        # 90 requests of one, 10 of 20 of the other.
        ([("done", 80, 100, 9, 5), ("running", 10, 50, 9, 0)], 90),
        # The one that waits counts as much as the others on average.
        ([("done", 10, 100, 9, 5), ("pending", 0, None, 9, 0)], 50),
        # It was backfilled before, and then took 90 requests.
        ([("done", 10, 100, 9, 5), ("pending", 90, 100, 9, 0)], 10),
        # What an earlier backfill read does not count.
        ([("done", 10, 100, 500, 400), ("running", 10, 50, 9, 0)], 50),
        ([("empty", 1, 100, 9, 9), ("running", 0, None, 9, 0)], 50),
    ],
)
def test_progress_is_measured_in_requests(
    harness: SyncHarness, states: list[Any], percent: float | None
) -> None:
    url = harness.connections.warehouse_url
    create_sync(url, SYNC, livemode=False)
    backfill_states(url, *states)
    found = overview(harness).percent
    assert found == (None if percent is None else pytest.approx(percent))
