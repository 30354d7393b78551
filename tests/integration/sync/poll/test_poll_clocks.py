"""Clocks: workers whose clocks differ, Stripe events dated in the future, keys without events."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from integration.sync.sync_processes import WrongClock
from stripe_sync.client import Priority
from stripe_sync.records import Batch, Observation, Source
from stripe_sync.sync.reconcile.reconcile import reconcile_collection
from stripe_sync.sync.reconcile.schedule import plan_due
from stripe_sync.sync.refetch import load_certain
from stripe_sync.sync.session import Session, open_session
from sync_harness import SYNC, SyncHarness, unthrottled

AHEAD, BEHIND = 90.0, -90.0
HOUR = 3_600
GAP = "SELECT ended_at IS NULL, reconciled_at IS NULL FROM stripe_sync.retention_gaps"


@pytest.fixture
def shop(harness: SyncHarness) -> SyncHarness:
    """A sync of an account that was empty at its backfill."""
    harness = unthrottled(harness)
    harness.backfill("customer")
    harness.poll()
    return harness


def kinds(harness: SyncHarness, upstream_id: str) -> list[str]:
    return [event["event_type"] for event in harness.events(upstream_id)]


@pytest.mark.parametrize(("first", "second"), [(AHEAD, BEHIND), (BEHIND, AHEAD)])
def test_workers_with_wrong_clocks_store_each_change_once_and_at_once(
    shop: SyncHarness, first: float, second: float
) -> None:
    customers = shop.stripe.v1.customers
    changed = customers.create({"name": "Paul"}).id
    gone = customers.create({"name": "Leto"}).id
    reconcile_collection(shop.connections, SYNC, "customer", clock=WrongClock(first))
    customers.update(changed, {"name": "Usul"})
    customers.delete(gone)
    shop.poll(clock=WrongClock(second))
    assert shop.record(changed)["payload"]["name"] == "Usul"
    assert kinds(shop, changed) == ["created", "updated"]
    assert shop.record(gone)["deleted"]
    assert kinds(shop, gone) == ["created", "deleted"]

    shop.sandbox.control.mutate("customer", changed, {"name": "Muad'Dib"})
    reconcile_collection(shop.connections, SYNC, "customer", clock=WrongClock(first))
    assert shop.record(changed)["payload"]["name"] == "Muad'Dib"
    shop.assert_streams_agree()


def test_all_stored_times_are_the_warehouses(shop: SyncHarness) -> None:
    customer = shop.stripe.v1.customers.create({"name": "Paul"}).id
    shop.poll(clock=WrongClock(10 * HOUR))
    found = shop.sql(
        "SELECT greatest(observed_at, updated_at, polled_at) <= clock_timestamp()"
        " FROM stripe_raw.records, stripe_sync.poll_state WHERE upstream_id = %s",
        customer,
    )
    assert found == [(True,)]


def test_a_stripe_event_dated_in_the_future_hides_no_later_one(shop: SyncHarness) -> None:
    control = shop.sandbox.control
    early = shop.stripe.v1.customers.create({"name": "early"}).id
    [event] = control.objects("event")
    control.remove("event", event["id"])
    control.append_events([{**event, "created": event["created"] + HOUR}])
    shop.poll()
    assert kinds(shop, early) == ["created"]
    [[ahead]] = shop.sql(
        "SELECT (cursor->>'watermark')::float8 > extract(epoch FROM clock_timestamp())"
        " FROM stripe_sync.poll_state"
    )
    assert not ahead
    later = shop.stripe.v1.customers.create({"name": "later"}).id
    shop.poll()  # by another poller, which continues at the cursor
    assert kinds(shop, later) == ["created"]
    shop.poll()
    assert kinds(shop, early) == ["created"]


def test_the_cutoff_is_not_after_the_backfill_began(harness: SyncHarness) -> None:
    control = harness.sandbox.control
    harness.stripe.v1.customers.create({"name": "early"})
    [event] = control.objects("event")
    control.append_events([{**event, "id": "evt_ahead", "created": event["created"] + HOUR}])
    harness.backfill("customer")
    later = harness.stripe.v1.customers.create({"name": "later"}).id
    harness.poll()
    assert kinds(harness, later) == ["created"]


def test_windows_and_ages_are_by_stripes_clock(harness: SyncHarness) -> None:
    """Ten days from the warehouse's, as no real clock is."""
    harness = unthrottled(harness, max_age_days=2)
    control = harness.sandbox.control
    control.clock(advance=-10 * 24 * HOUR)
    kept = harness.stripe.v1.customers.create({"name": "kept"}).id
    harness.backfill("customer")
    assert harness.record(kept)["payload"]["name"] == "kept"
    control.mutate("customer", kept, {"name": "silent"})
    reconcile_collection(harness.connections, SYNC, "customer", window=timedelta(days=1))
    assert harness.record(kept)["payload"]["name"] == "silent"


def test_a_key_that_may_read_events_after_the_backfill_only_loses_nothing(
    harness: SyncHarness,
) -> None:
    customers, control = harness.stripe.v1.customers, harness.sandbox.control
    known = customers.create({"name": "known"}).id
    control.add_key("rk_test_few", permissions=["rak_customer_read"])
    harness = unthrottled(harness.with_key("rk_test_few"))
    harness.backfill("customer")
    assert harness.sql(GAP) == [(True, True)]
    assert plan_due(harness.connections, SYNC, datetime.now(UTC)) == []
    customers.update(known, {"name": "changed"})
    missed = customers.create({"name": "missed"}).id

    control.remove_key("rk_test_few")
    control.add_key("rk_test_few", permissions=["rak_customer_read", "rak_event_read"])
    harness.poll()
    assert harness.record(known)["payload"]["name"] == "changed"
    assert kinds(harness, missed) == ["created"]
    assert harness.sql(GAP) == [(False, True)]
    [due] = plan_due(harness.connections, SYNC, datetime.now(UTC))
    assert (due.collection, due.window_days) == ("customer", None)
    reconcile_collection(harness.connections, SYNC, "customer")
    assert plan_due(harness.connections, SYNC, datetime.now(UTC)) == []
    assert harness.sql(GAP) == [(False, False)]
    harness.assert_streams_agree()


async def fetch(session: Session, customer: str) -> Observation:
    collection = session.catalog.resolve("customer")
    now = session.clock.now()
    obj = await session.api.get("/v1/customers/{id}", {"id": customer}, priority=Priority.LIVE)
    return session.normalizer(collection).normalize(obj, observed_at=now)


def test_a_state_read_while_another_was_stored_is_fetched_again(shop: SyncHarness) -> None:
    customer = shop.stripe.v1.customers.create({"name": "Paul"}).id
    shop.poll()

    async def overlap() -> None:
        async with open_session(shop.connections, SYNC) as session:
            batch = Batch(session.sync.id, session.sync.resource_id, Source.RECONCILE, [])
            slow = await fetch(session, customer)
            # Requested after that, but answered before it, for all that anybody knows.
            shop.sandbox.control.mutate("customer", customer, {"name": "Usul"})
            stored = await fetch(session, customer)
            shop.sandbox.control.mutate("customer", customer, {"name": "Muad'Dib"})
            with session.warehouse.writer() as writer:
                writer.load(replace(batch, observations=[stored]))
                load = partial(load_certain, session, writer.load)
                await load(replace(batch, observations=[slow]))
                await load(replace(batch, observations=[slow]))

    asyncio.run(overlap())
    names = [event["data"]["name"] for event in shop.events(customer)]
    assert names == ["Paul", "Usul", "Muad'Dib"]
    shop.assert_streams_agree()
