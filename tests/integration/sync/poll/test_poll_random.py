"""Random scenarios: the guarantees hold for any order of changes, faults and kills.

In each scenario objects are created, changed and deleted; Stripe events are late, duplicated,
within one second, in another version; objects change without any; requests fail, answers are cut;
two pollers with clocks 90 to 180 seconds apart compete and are killed. The number of scenarios is
``STRIPE_SYNC_TEST_SEEDS``.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from integration.sync.sync_processes import Polling
from stripe_sync.catalog import load_catalog
from stripe_sync.records import ChangeType
from stripe_sync.sync.poll.events.parse_event import fingerprint
from stripe_sync.sync.reconcile.reconcile import reconcile_collection
from sync_harness import SYNC, SyncHarness, unthrottled

SEEDS = int(os.environ.get("STRIPE_SYNC_TEST_SEEDS", "3"))
ROUNDS = 6
COLLECTIONS = ("customer", "product", "coupon", "subscription", "subscription_item", "event")
VERSIONS = ("2026-10-28.endive", "2026-10-28.endive", "2024-06-20")
SOON = 30.0


class RandomScenario:
    """Random changes of an account, reproducible by seed."""

    def __init__(self, harness: SyncHarness, seed: int) -> None:
        self.harness = harness
        self.stripe = harness.stripe
        self.control = harness.sandbox.control
        self.rng = random.Random(seed)
        self.coupons = [f"C{number}" for number in range(4)]

    def change(self) -> None:
        """Set other faults, then make 5 to 40 changes."""
        self._set_faults()
        acts: list[Callable[[], None]] = [
            *[self._update] * 6,
            *[self._create] * 2,
            self._delete,
            self._create_coupon,
            self._cancel,
            self._update_without_event,
        ]
        for _ in range(self.rng.randint(5, 40)):
            try:
                self.rng.choice(acts)()
            except stripe.InvalidRequestError:
                continue  # the object is deleted

    def settle(self) -> None:
        """Remove all faults and let all late events appear."""
        self.control.no_faults()
        self.control.clock(run=True)
        self.control.clock(advance=SOON)

    def _set_faults(self) -> None:
        control, rng = self.control, self.rng
        control.no_faults()
        control.clock(run=True)
        control.settings(api_version=rng.choice(VERSIONS))
        if rng.random() < 0.5:
            control.fault("late_event", probability=0.2, seconds=rng.choice([0.2, 5.0, SOON]))
        if rng.random() < 0.3:
            control.fault("duplicate_event", probability=0.2)
        if rng.random() < 0.3:
            control.fault("server_error", endpoint="GET *", probability=0.1)
        if rng.random() < 0.3:
            control.fault("reset", endpoint="GET *", probability=0.05)
        if rng.random() < 0.3:
            control.fault("truncate", endpoint="GET *", probability=0.1)
        if rng.random() < 0.2:
            control.fault("rate_limit", endpoint="GET *", probability=0.1)
        if rng.random() < 0.4:
            control.clock(freeze=control.clock())

    def _any(self, kind: str) -> str:
        found = self.control.objects(kind)
        return str(self.rng.choice(found)["id"]) if found else "none"

    def _text(self) -> str:
        return f"{self.rng.random():.6f}"

    def _update(self) -> None:
        text = self._text()
        kind = self.rng.choice(["customer", "customer", "product", "subscription"])
        if kind == "customer":
            self.stripe.v1.customers.update(self._any(kind), {"name": text})
        elif kind == "product":
            self.stripe.v1.products.update(self._any(kind), {"metadata": {"a": text}})
        else:
            self.stripe.v1.subscriptions.update(self._any(kind), {"description": text})

    def _create(self) -> None:
        if self.rng.random() < 0.5:
            self.stripe.v1.customers.create({"name": self._text()})
        else:
            self.stripe.v1.products.create({"name": self._text()})

    def _delete(self) -> None:
        if self.rng.random() < 0.5:
            self.stripe.v1.customers.delete(self._any("customer"))
        else:
            self.stripe.v1.coupons.delete(self.rng.choice(self.coupons))

    def _create_coupon(self) -> None:
        name = self.rng.choice(self.coupons)
        self.stripe.v1.coupons.create({"id": name, "percent_off": 10, "duration": "once"})

    def _cancel(self) -> None:
        self.stripe.v1.subscriptions.cancel(self._any("subscription"))

    def _update_without_event(self) -> None:
        kind = self.rng.choice(["customer", "product"])
        name = self._any(kind)
        if name != "none":
            self.control.mutate(kind, name, {"description": self._text()})


@pytest.fixture
def shop(harness: SyncHarness) -> SyncHarness:
    """A small shop; subscriptions have more items than their embedded list shows."""
    harness = unthrottled(harness)
    harness.sandbox.control.seed(
        {"customer": 40, "product": 30, "subscription": 12},
        children={"subscription": {"items": [3, 14]}},
    )
    return harness


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_guarantees_hold_in_a_random_scenario(shop: SyncHarness, seed: int) -> None:
    scenario = RandomScenario(shop, seed)
    shop.plan(*COLLECTIONS)
    scenario.change()
    shop.backfill(*COLLECTIONS)
    for _ in range(ROUNDS):
        clocks = scenario.rng.sample([-90.0, 0.0, 90.0], 2)
        pollers = [Polling(shop.connections, SYNC, ahead) for ahead in clocks]
        scenario.change()
        time.sleep(scenario.rng.uniform(0, 0.6))  # at which point the pollers are killed
        for polling in pollers:
            polling.kill()
        # The next one would wait ten seconds for its lease to expire.
        shop.sql("UPDATE stripe_sync.poll_state SET lease_owner = NULL RETURNING 1")
    scenario.settle()
    poll_until_nothing_is_left(shop)
    assert_every_stripe_event_is_one_change_event(shop)
    assert_objects_are_created_once(shop)
    assert_no_record_is_older_than_its_last_change(shop)
    for collection in COLLECTIONS[:-1]:
        reconcile_collection(shop.connections, SYNC, collection)
    shop.poll()
    assert_every_record_is_its_object(shop)
    shop.assert_streams_agree()
    assert_every_record_counts_its_events(shop)
    assert_the_lake_has_every_event_once(shop)


def poll_until_nothing_is_left(harness: SyncHarness) -> None:
    """Poll until there is no change, pending fetch or failed event any more."""
    for _ in range(40):
        report = harness.poll(12)
        [(pending,)] = harness.sql("SELECT count(*) FROM stripe_sync.pending_fetches")
        [(failing,)] = harness.sql("SELECT cursor->'failing_since' FROM stripe_sync.poll_state")
        if not (report.changes or pending or failing):
            return
    pytest.fail("polling does not come to an end")


def assert_every_stripe_event_is_one_change_event(harness: SyncHarness) -> None:
    """Guarantee 1; duplicates count as one, and so do two ways of learning of one creation."""
    catalog = load_catalog()
    rows = harness.sql("SELECT cutoff FROM stripe_sync.poll_state")
    cutoff = int(rows[0][0].timestamp())
    expected: dict[Any, set[str]] = {}
    changes: dict[Any, ChangeType | None] = {}
    for event in harness.sandbox.control.objects("event"):
        kind = event["data"]["object"]["object"]
        routed = [c for c in catalog.route(kind) if not c.ignores(event["type"])]
        if routed and event["created"] >= cutoff:
            change = fingerprint(event) or event["id"]
            expected.setdefault(change, set()).add(event["id"])
            changes[change] = routed[0].change_of(event["type"])
    stored = Counter(
        row[0]
        for row in harness.sql(
            "SELECT stripe_event_id FROM stripe_raw.events WHERE stripe_event_id IS NOT NULL"
        )
    )
    counts = {change: sum(stored[name] for name in group) for change, group in expected.items()}
    assert set(counts.values()) <= {0, 1}
    # Only a creation or deletion that the stream has already makes no change event.
    repeated = {changes[change] for change, count in counts.items() if not count}
    assert repeated <= {ChangeType.CREATED, ChangeType.DELETED}
    assert set(stored) <= {name for group in expected.values() for name in group}


def assert_objects_are_created_once(harness: SyncHarness) -> None:
    """The first change event of an object is its creation; another one follows a deletion only."""
    wrong = harness.sql(
        """
        SELECT upstream_id, event_type, before FROM (
            SELECT upstream_id, event_type, lag(event_type) OVER object AS before
            FROM stripe_raw.events
            WINDOW object AS (PARTITION BY collection_id, upstream_id ORDER BY seq)
        ) AS events
        WHERE (event_type = 'created') <> (before IS NULL OR before = 'deleted')
            AND NOT (event_type = 'deleted' AND before = 'deleted')
        """
    )
    assert wrong == []


def assert_no_record_is_older_than_its_last_change(harness: SyncHarness) -> None:
    """Fields whose changes raise Stripe events are up to date."""
    stored = {
        row[0]: row[1]
        for row in harness.sql(
            "SELECT upstream_id, payload FROM stripe_raw.records WHERE NOT deleted"
        )
    }
    for kind, field in (("customer", "name"), ("product", "metadata"), ("subscription", "status")):
        for obj in harness.sandbox.control.objects(kind):
            assert stored[obj["id"]][field] == obj[field], obj["id"]


def assert_every_record_is_its_object(harness: SyncHarness) -> None:
    """Guarantee 4: after reconciling, each payload is the object in the pinned version."""
    client = stripe.StripeClient(
        harness.sandbox.api_key,
        base_addresses={"api": harness.sandbox.base_url},
        stripe_version=harness.connections.settings.api_version,
    )
    catalog = load_catalog()
    for name in ("customer", "product", "coupon", "subscription"):
        collection = catalog.resolve(name)
        live = {obj["id"] for obj in harness.sandbox.control.objects(collection.object)}
        stored = dict(
            harness.sql(
                "SELECT upstream_id, payload FROM stripe_raw.records"
                " WHERE collection_id = %s AND NOT deleted",
                collection.id,
            )
        )
        assert stored.keys() == live
        expand = list(collection.expand)
        for key, payload in stored.items():
            path = str(collection.retrieve).replace("{id}", key)
            answer = client.raw_request("get", path, **({"expand": expand} if expand else {}))
            fetched = answer.data
            if name == "subscription":
                count = len(payload["items"]["data"])
                assert not payload["items"]["has_more"]
                items = harness.sandbox.control.objects("subscription_item")
                assert count == sum(item["subscription"] == key for item in items)
                fetched["items"] = payload["items"] = None
            assert payload == dict(fetched), key


def assert_every_record_counts_its_events(harness: SyncHarness) -> None:
    """Guarantee 2: a record is the fold of its change events."""
    wrong = harness.sql(
        """
        SELECT r.upstream_id, r.updated_idx, count(e.seq) FROM stripe_raw.records r
        LEFT JOIN stripe_raw.events e USING (sync_id, collection_id, upstream_id)
        GROUP BY 1, 2 HAVING count(e.seq) <> r.updated_idx
        """
    )
    assert wrong == []


def assert_the_lake_has_every_event_once(harness: SyncHarness) -> None:
    """Guarantee 6: the lake lacks no change event and has none twice."""
    written = [
        str(name) for batch in harness.lake.event_batches() for name in batch.to_pydict()["id"]
    ]
    stored = [row[0] for row in harness.sql("SELECT id::text FROM stripe_raw.events")]
    assert sorted(written) == sorted(stored)
