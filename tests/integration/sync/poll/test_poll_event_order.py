"""Stripe events in an unexpected order, twice, or of objects that are gone: one row a change."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from snapshots import Snapshot
from sync_harness import SyncHarness, unthrottled

Doc = dict[str, Any]


@pytest.fixture(scope="module")
def filled(original: SyncHarness, postgres_url: str) -> Snapshot:
    """A sync that polls without Stripe's limits."""
    harness = unthrottled(original)
    harness.backfill("customer", "product", "charge")
    harness.poll()
    return Snapshot.of(harness, postgres_url)


@pytest.fixture
def harness(filled: Snapshot, tmp_path: Path) -> Iterator[SyncHarness]:
    """A copy of that sync."""
    with filled.copy(tmp_path) as copy:
        yield copy


def stripe_events(harness: SyncHarness, upstream_id: str) -> list[Doc]:
    """The Stripe events of an object, oldest first; they are taken out of the sandbox."""
    control = harness.sandbox.control
    found = [e for e in control.objects("event") if e["data"]["object"].get("id") == upstream_id]
    for each in found:
        control.remove("event", each["id"])
    return sorted(found, key=lambda each: int(each["created"]))


def types(harness: SyncHarness, upstream_id: str) -> list[str]:
    return [event["event_type"] for event in harness.events(upstream_id)]


def test_two_stripe_events_of_one_deletion_are_one_deletion(harness: SyncHarness) -> None:
    customer = harness.stripe.v1.customers.create({"name": "Leto"}).id
    harness.poll()
    harness.stripe.v1.customers.delete(customer)
    [deletion] = stripe_events(harness, customer)[-1:]
    assert deletion["type"] == "customer.deleted"
    harness.sandbox.control.append_events([deletion, {**deletion, "id": "evt_twin"}])
    harness.poll(2)
    assert types(harness, customer) == ["created", "deleted"]
    assert harness.record(customer)["deleted"]
    harness.assert_streams_agree()


@pytest.mark.parametrize("together", [True, False], ids=["one poll", "two polls"])
def test_creation_comes_first_within_a_second(harness: SyncHarness, together: bool) -> None:
    control = harness.sandbox.control
    control.clock(freeze=control.clock())
    product = harness.stripe.v1.products.create({"name": "Spice"}).id
    harness.stripe.v1.products.update(product, {"name": "Melange"})
    created, updated = stripe_events(harness, product)
    control.append_events([updated])
    if not together:
        harness.poll()
    control.append_events([created])
    harness.poll(2)
    assert types(harness, product) == (["created", "updated"] if together else ["created"])
    assert harness.record(product)["payload"]["name"] == "Melange"
    harness.assert_streams_agree()


def test_changes_of_an_object_that_is_gone_are_changes(harness: SyncHarness) -> None:
    product = harness.stripe.v1.products.create({"name": "Spice"}).id
    harness.stripe.v1.products.update(product, {"name": "Melange"})
    harness.stripe.v1.products.delete(product)
    events = stripe_events(harness, product)
    for each in events:
        harness.sandbox.control.append_events([each])
        harness.poll()
    rows = harness.events(product)
    assert [row["event_type"] for row in rows] == ["created", "updated", "deleted"]
    assert [row["data"]["name"] for row in rows] == ["Spice", "Melange", "Melange"]
    assert [row["stripe_event_id"] for row in rows] == [each["id"] for each in events]
    harness.assert_streams_agree()


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["one poll", "many polls"])
def test_an_id_used_again_is_deleted_then_created(
    harness: SyncHarness, order: tuple[int, ...], together: bool
) -> None:
    control = harness.sandbox.control
    harness.stripe.v1.products.create({"id": "spice", "name": "first"})
    harness.poll()
    stripe_events(harness, "spice")
    control.clock(advance=3)
    harness.stripe.v1.products.delete("spice")
    harness.stripe.v1.products.create({"id": "spice", "name": "second"})
    harness.stripe.v1.products.update("spice", {"name": "third"})
    events = stripe_events(harness, "spice")
    control.clock(advance=-3)
    for number in order:
        control.append_events([events[number]])
        if not together:
            harness.poll()
    harness.poll(2)
    found = types(harness, "spice")
    assert found[:3] == ["created", "deleted", "created"]
    assert set(found[3:]) <= {"updated"}
    record = harness.record("spice")
    assert (record["deleted"], record["payload"]["name"]) == (False, "third")
    harness.assert_streams_agree()


@pytest.mark.parametrize("lives", [True, False], ids=["exists", "deleted again"])
def test_an_id_that_is_used_several_times_within_a_second(
    harness: SyncHarness, lives: bool
) -> None:
    control, products = harness.sandbox.control, harness.stripe.v1.products
    control.clock(freeze=control.clock())
    for name in ("first", "second"):
        products.create({"id": "spice", "name": name})
        products.delete("spice")
    if lives:
        products.create({"id": "spice", "name": "third"})
    control.clock(run=True)
    harness.poll(2)
    last = ["created"] if lives else []
    assert types(harness, "spice") == ["created", "deleted", "created", "deleted", *last]
    assert harness.record("spice")["deleted"] is not lives
    harness.assert_streams_agree()


def test_a_creation_that_a_backfill_stored_adds_no_row(harness: SyncHarness) -> None:
    control = harness.sandbox.control
    product = harness.stripe.v1.products.create({"name": "Spice"}).id
    events = stripe_events(harness, product)
    harness.backfill("product")
    control.append_events(events)
    harness.poll(2)
    assert types(harness, product) == ["created"]
    harness.stripe.v1.products.delete(product)
    harness.poll()
    # It was processed before the deletion, so it does not bring the product back.
    control.append_events(events)
    harness.poll(2)
    assert types(harness, product) == ["created", "deleted"]
    harness.assert_streams_agree()
