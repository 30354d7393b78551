"""Reconciling while a poller runs, or before it comes: each change is written once."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from integration.sync.reconcile.reading import drift, objects, reconcile
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.poll.supervisor import poll_for
from stripe_sync.sync.session import open_session
from sync_harness import SYNC, SyncHarness


def test_a_poller_may_run_at_the_same_time(quick: SyncHarness) -> None:
    control, customers = quick.sandbox.control, quick.stripe.v1.customers
    control.seed({"customer": 250})
    quick.backfill("customer")
    quick.poll()
    polling = threading.Thread(
        target=poll_for,
        args=(quick.connect, quick.connections.warehouse_url),
        kwargs={"seconds": 4},
    )
    polling.start()
    names = [obj["id"] for obj in objects(quick, "customer")]
    for number in range(5):
        control.mutate("customer", names[number], {"description": "silent"})
        customers.update(names[10 + number], {"description": "expected"})
        customers.delete(names[20 + number])
        reconcile(quick, "customer")
    polling.join()
    quick.poll()
    assert drift(reconcile(quick, "customer")) == (0, 0, 0)
    quick.assert_streams_agree()
    for number in range(5):
        assert quick.record(names[number])["payload"]["description"] == "silent"
        assert quick.record(names[20 + number])["deleted"]
    stored = quick.sql("SELECT id::text FROM stripe_raw.events")
    written = [str(found) for found in quick.lake.events()["id"]]
    assert sorted(written) == sorted(row[0] for row in stored)


@pytest.mark.parametrize("reading", ["reconcile", "backfill"])
def test_a_change_that_is_read_before_its_stripe_event_has_one_change_event(
    quick: SyncHarness, reading: str
) -> None:
    control, customers = quick.sandbox.control, quick.stripe.v1.customers
    control.seed({"customer": 20})
    quick.backfill("customer")
    quick.poll()
    control.fault("late_event", probability=1.0, seconds=1.0)
    polling = threading.Thread(
        target=poll_for,
        args=(quick.connect, quick.connections.warehouse_url),
        kwargs={"seconds": 12},
    )
    polling.start()
    while quick.sql("SELECT count(*) FROM stripe_sync.poll_state WHERE lease_until > now()") != [
        (1,)
    ]:
        time.sleep(0.02)
    for each in objects(quick, "customer"):
        customers.update(each["id"], {"description": "changed"})
    if reading == "reconcile":
        assert drift(reconcile(quick, "customer")) == (0, 0, 0)
    else:
        quick.backfill("customer")
    polling.join()
    control.no_faults()
    quick.poll()
    rows = quick.sql(
        "SELECT count(*), count(stripe_event_id) FROM stripe_raw.events"
        " WHERE collection_id = 'stripe:customer' AND changes ? 'description'"
    )
    assert rows == [(20, 20)]
    quick.assert_streams_agree()


@pytest.mark.parametrize("reading", ["reconcile", "backfill"])
def test_a_change_that_is_read_while_nobody_polls_has_one_change_event(
    quick: SyncHarness, reading: str
) -> None:
    customers = quick.stripe.v1.customers
    quick.sandbox.control.seed({"customer": 20})
    quick.backfill("customer")
    quick.poll()
    before = {each["id"]: each["description"] for each in objects(quick, "customer")}
    names = list(before)
    for name in names[:5] + names[10:]:
        customers.update(name, {"description": "changed"})
    for name in names[:5]:
        customers.update(name, {"description": "changed again", "metadata": {"a": "b"}})
        customers.update(name, {"metadata": {"c": "d"}})
    for name in names[5:10]:
        customers.delete(name)
    new = [customers.create({}).id for _ in range(5)]
    if reading == "reconcile":
        assert drift(reconcile(quick, "customer")) == (5, 15, 5)
    else:
        quick.backfill("customer")
    quick.poll()
    reported = {name: [each["changes"] for each in quick.events(name)[1:]] for name in names}
    for name in names[:5]:
        # What a read found together is one change event; the rest is reported by Stripe's.
        once, later = reported[name]
        assert once == {"description": before[name], "metadata": {"a": None, "c": None}}
        assert later == {"description": "changed", "metadata": {"a": None}}
    assert all(reported[name] == [{"description": before[name]}] for name in names[10:])
    for name in names[5:10] if reading == "reconcile" else ():
        assert [each["event_type"] for each in quick.events(name)] == ["created", "deleted"]
    assert all(len(quick.events(name)) == 1 for name in new)
    quick.assert_streams_agree()


def test_followers_of_one_sync_take_turns(quick: SyncHarness) -> None:
    quick.stripe.v1.customers.create({"name": "Leto"})
    quick.backfill("customer")
    quick.sandbox.control.mutate("customer", objects(quick, "customer")[0]["id"], {"name": "Paul"})

    async def beside() -> list[int]:
        async with open_session(quick.connections, SYNC) as session:
            one, other = LakeFollower(session), LakeFollower(session)
            with session.warehouse.locks.lake(session.sync.id):
                flushes = [asyncio.create_task(asyncio.to_thread(f.flush)) for f in (one, other)]
                done, _ = await asyncio.wait(flushes, timeout=0.3)
                assert not done
            return await asyncio.gather(*flushes)

    reconcile(quick, "customer")
    quick.sql("UPDATE stripe_sync.lake_position SET seq = 0 RETURNING seq")
    assert sorted(asyncio.run(beside())) == [0, 1]
