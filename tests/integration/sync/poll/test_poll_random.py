"""Whatever happens in whatever order, and wherever a poller dies: the promises hold.

Each seed is another story of a shop: objects come, change and go; Stripe events are late, doubled,
in one second, in another version; objects change without any; answers fail; the poller is killed.
``STRIPE_SYNC_TEST_SEEDS`` says how many stories are told.
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
from stripe_sync.sync.poll.changed_object import fingerprint
from stripe_sync.sync.reconcile.reconcile import reconcile_collection
from sync_harness import SYNC, SyncHarness, unthrottled

SEEDS = int(os.environ.get("STRIPE_SYNC_TEST_SEEDS", "5"))
ROUNDS = 6
COLLECTIONS = ("customer", "product", "coupon", "subscription", "subscription_item", "event")
VERSIONS = ("2026-10-28.endive", "2026-10-28.endive", "2024-06-20")
SOON = 30.0


class Story:
    """What happens in the shop."""

    def __init__(self, harness: SyncHarness, seed: int) -> None:
        self.harness = harness
        self.stripe = harness.stripe
        self.control = harness.sandbox.control
        self.rng = random.Random(seed)
        self.coupons = [f"C{number}" for number in range(4)]

    def go_on(self) -> None:
        """Some things happen."""
        self._mischief()
        acts: list[Callable[[], None]] = [
            *[self._update] * 6,
            *[self._create] * 2,
            self._delete,
            self._reuse,
            self._cancel,
            self._silent,
        ]
        for _ in range(self.rng.randint(5, 40)):
            try:
                self.rng.choice(acts)()
            except stripe.InvalidRequestError:
                continue  # it was deleted before

    def come_to_rest(self) -> None:
        """Nothing more goes wrong, and all that is late shows up."""
        self.control.no_faults()
        self.control.clock(run=True)
        self.control.clock(advance=SOON)

    def _mischief(self) -> None:
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

    def _reuse(self) -> None:
        name = self.rng.choice(self.coupons)
        self.stripe.v1.coupons.create({"id": name, "percent_off": 10, "duration": "once"})

    def _cancel(self) -> None:
        self.stripe.v1.subscriptions.cancel(self._any("subscription"))

    def _silent(self) -> None:
        kind = self.rng.choice(["customer", "product"])
        name = self._any(kind)
        if name != "none":
            self.control.mutate(kind, name, {"description": self._text()})


@pytest.fixture
def shop(harness: SyncHarness) -> SyncHarness:
    """A small shop, subscriptions with more items than Stripe shows at once."""
    harness = unthrottled(harness)
    harness.sandbox.control.seed(
        {"customer": 40, "product": 30, "subscription": 12},
        children={"subscription": {"items": [3, 14]}},
    )
    return harness


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_promises_hold_whatever_happens(shop: SyncHarness, seed: int) -> None:
    story = Story(shop, seed)
    shop.plan(*COLLECTIONS)
    story.go_on()
    shop.backfill(*COLLECTIONS)
    for _ in range(ROUNDS):
        polling = Polling(shop.connections, SYNC)
        story.go_on()
        time.sleep(story.rng.uniform(0, 0.6))  # where in its work the poller is killed
        polling.kill()
        # Its lease would keep the next one waiting for ten seconds.
        shop.sql("UPDATE stripe_sync.poll_state SET lease_owner = NULL RETURNING 1")
    story.come_to_rest()
    settle(shop)
    every_stripe_event_is_told_once(shop)
    no_record_is_older_than_its_last_change(shop)
    for collection in COLLECTIONS[:-1]:
        reconcile_collection(shop.connections, SYNC, collection)
    shop.poll()
    every_record_is_its_object(shop)
    shop.assert_streams_agree()
    every_record_counts_its_events(shop)
    the_lake_has_every_event_once(shop)


def settle(harness: SyncHarness) -> None:
    """Poll until nothing is left to do."""
    for _ in range(40):
        report = harness.poll(12)
        [(waiting,)] = harness.sql("SELECT count(*) FROM stripe_sync.fetch_queue")
        [(failing,)] = harness.sql("SELECT position->'failing_since' FROM stripe_sync.poll_state")
        if not (report.changes or waiting or failing):
            return
    pytest.fail("polling does not come to an end")


def every_stripe_event_is_told_once(harness: SyncHarness) -> None:
    """Promise 1, twins being one."""
    catalog = load_catalog()
    rows = harness.sql("SELECT fence FROM stripe_sync.poll_state")
    cutoff = int(rows[0][0].timestamp())
    wanted: dict[Any, set[str]] = {}
    for event in harness.sandbox.control.objects("event"):
        kind = event["data"]["object"]["object"]
        routed = [row for row in catalog.route(kind) if not row.ignores(event["type"])]
        if routed and event["created"] >= cutoff:
            wanted.setdefault(fingerprint(event) or event["id"], set()).add(event["id"])
    told = Counter(
        row[0]
        for row in harness.sql(
            "SELECT stripe_event_id FROM stripe_raw.events WHERE stripe_event_id IS NOT NULL"
        )
    )
    assert {sum(told[name] for name in twins) for twins in wanted.values()} == {1}
    assert set(told) <= {name for twins in wanted.values() for name in twins}


def no_record_is_older_than_its_last_change(harness: SyncHarness) -> None:
    """What Stripe events told of last is what is stored."""
    stored = {
        row[0]: row[1]
        for row in harness.sql(
            "SELECT upstream_id, payload FROM stripe_raw.records WHERE NOT deleted"
        )
    }
    for kind, field in (("customer", "name"), ("product", "metadata"), ("subscription", "status")):
        for obj in harness.sandbox.control.objects(kind):
            assert stored[obj["id"]][field] == obj[field], obj["id"]


def every_record_is_its_object(harness: SyncHarness) -> None:
    """Promise 4: after reconciling, each payload is what Stripe shows in the pinned version."""
    client = stripe.StripeClient(
        harness.sandbox.api_key,
        base_addresses={"api": harness.sandbox.base_url},
        stripe_version=harness.connections.settings.api_version,
    )
    catalog = load_catalog()
    for name in ("customer", "product", "coupon", "subscription"):
        row = catalog.resolve(name)
        live = {obj["id"] for obj in harness.sandbox.control.objects(row.object)}
        stored = dict(
            harness.sql(
                "SELECT upstream_id, payload FROM stripe_raw.records"
                " WHERE collection_id = %s AND NOT deleted",
                row.id,
            )
        )
        assert stored.keys() == live
        expand = list(row.expand)
        for key, payload in stored.items():
            path = str(row.retrieve).replace("{id}", key)
            answer = client.raw_request("get", path, **({"expand": expand} if expand else {}))
            shown = answer.data
            if name == "subscription":
                count = len(payload["items"]["data"])
                assert not payload["items"]["has_more"]
                items = harness.sandbox.control.objects("subscription_item")
                assert count == sum(item["subscription"] == key for item in items)
                shown["items"] = payload["items"] = None
            assert payload == dict(shown), key


def every_record_counts_its_events(harness: SyncHarness) -> None:
    """Promise 2: a record is the fold of its events, none missing and none too many."""
    wrong = harness.sql(
        """
        SELECT r.upstream_id, r.updated_idx, count(e.seq) FROM stripe_raw.records r
        LEFT JOIN stripe_raw.events e USING (sync_id, collection_id, upstream_id)
        GROUP BY 1, 2 HAVING count(e.seq) <> r.updated_idx
        """
    )
    assert wrong == []


def the_lake_has_every_event_once(harness: SyncHarness) -> None:
    """Promise 6: nothing is lost on the way to the lake, nothing doubled."""
    written = [
        str(name) for batch in harness.lake.event_batches() for name in batch.to_pydict()["id"]
    ]
    stored = [row[0] for row in harness.sql("SELECT id::text FROM stripe_raw.events")]
    assert sorted(written) == sorted(stored)
