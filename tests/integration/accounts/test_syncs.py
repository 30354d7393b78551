"""Syncs are created, changed, paused and resumed without a request to Stripe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stripe_sync import (
    ConfigurationError,
    SyncConflict,
    SyncNotFound,
    SyncSettings,
    backfill_collection,
    create_sync,
    describe_syncs,
    get_sync,
    list_syncs,
    pause_sync,
    plan_backfill,
    plan_reconcile,
    poll,
    reconcile,
    resume_sync,
    sync_settings,
    sync_status,
    update_sync,
)
from stripe_sync.records import ids
from sync_harness import SYNC, SyncHarness, unthrottled


def url(harness: SyncHarness) -> str:
    return harness.connections.warehouse_url


def test_a_created_sync_learns_its_account_when_it_first_runs(harness: SyncHarness) -> None:
    created = create_sync(url(harness), SYNC, livemode=False, external_id="tenant-1")
    assert harness.sandbox.control.stats()["requests"] == 0
    assert (created.account_id, created.external_id) == (None, "tenant-1")

    harness.stripe.v1.customers.create({"name": "Ada"})
    harness.backfill("customer")

    sync = get_sync(url(harness), str(created.id))
    assert sync.account_id is not None
    [record] = harness.sql("SELECT resource_id FROM stripe_raw.records")
    assert record[0] == ids.resource_id(sync.account_id, livemode=False)
    assert harness.sql("SELECT resource_id FROM stripe_sync.syncs") == [record]
    assert sync.external_id == "tenant-1"


def test_a_key_of_the_other_mode_is_refused(harness: SyncHarness) -> None:
    create_sync(url(harness), SYNC, livemode=True)
    with pytest.raises(ConfigurationError, match=r"stores an account in live mode.*in test mode"):
        harness.backfill("customer")


def test_names_are_taken_once_and_checked(harness: SyncHarness) -> None:
    create_sync(url(harness), "eu", livemode=False)
    with pytest.raises(SyncConflict, match="'eu' already"):
        create_sync(url(harness), "eu", livemode=False)
    for name in ("EU", "", "a/b", "x" * 101, "-eu"):
        with pytest.raises(ConfigurationError, match="the name of a sync") as caught:
            create_sync(url(harness), name, livemode=False)
        assert caught.value.param == "name"
    with pytest.raises(SyncNotFound, match="known: eu"):
        get_sync(url(harness), "us")


def test_what_is_stored_wins_over_the_connection_and_that_over_the_default(
    harness: SyncHarness,
) -> None:
    connection = SyncSettings(redact=False, max_age_days=30, requests_per_second=7)
    connections = replace(harness.connections, settings=connection)
    create_sync(url(harness), SYNC, livemode=False, settings={"max_age_days": 10})

    plan_backfill(connections, SYNC, ["customer"])

    settings = sync_settings(connections, SYNC)
    assert (settings.max_age_days, settings.requests_per_second) == (10, 7)
    assert settings.cadence == "fixed"
    assert get_sync(url(harness), SYNC).settings_in_effect == settings.model_dump(mode="json")

    update_sync(url(harness), SYNC, settings={"max_age_days": None, "cadence": "adaptive"})
    assert get_sync(url(harness), SYNC).settings == {"cadence": "adaptive"}
    assert sync_settings(connections, SYNC).max_age_days == 30


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"settings": {"max_age_day": 1}}, "settings"),
        ({"settings": {"max_age_days": "soon"}}, "settings.max_age_days"),
        ({"collections": ["customers"]}, "collections"),
        ({"external_id": "x" * 256}, "external_id"),
        ({"external_id": ""}, "external_id"),
        ({"connection_id": "my shop"}, "connection_id"),
        ({"metadata": {"text": "a\0b"}}, "metadata"),
        ({"metadata": {"text": "\ud800"}}, "metadata"),
        ({"metadata": {"number": float("inf")}}, "metadata"),
        ({"metadata": {"text": "x" * 20_000}}, "metadata"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(
    harness: SyncHarness, values: Any, param: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        create_sync(url(harness), "eu", livemode=False, **values)
    assert caught.value.param == param
    assert describe_syncs(url(harness)) == []


def test_an_update_changes_only_what_it_names(harness: SyncHarness) -> None:
    create_sync(
        url(harness),
        "eu",
        livemode=False,
        collections=["stripe.customer", "invoice"],
        connection_id="stripe_shared",
        external_id="tenant-1",
        metadata={"team": "billing", "path": r"C:\users", "tier": 1},
    )

    changed = update_sync(url(harness), "eu", external_id=None, metadata={"tier": None, "n": [1]})

    assert changed.collection_ids == ("stripe:customer", "stripe:invoice")
    assert changed.external_id is None
    assert changed.metadata == {"team": "billing", "path": r"C:\users", "n": [1]}
    assert get_sync(url(harness), "eu").connection_id == "stripe_shared"
    assert update_sync(
        url(harness), "eu", metadata={"n": [1]}, collections=["invoice", "customer"]
    ) == (changed)
    assert update_sync(url(harness), "eu", collections=None).collection_ids is None
    assert [each.name for each in describe_syncs(url(harness), external_id="tenant-1")] == []


def test_collections_that_are_read_together_are_chosen_together(harness: SyncHarness) -> None:
    sync = create_sync(url(harness), "eu", livemode=False, collections=["upcoming_line_item"])
    assert sync.collection_ids == (
        "stripe:upcoming_customer_invoice",
        "stripe:upcoming_line_item",
        "stripe:upcoming_subscription_invoice",
    )


def test_a_sync_backfills_and_reconciles_its_collections_only(harness: SyncHarness) -> None:
    harness.sandbox.control.seed({"customer": 2, "product": 2})
    create_sync(url(harness), SYNC, livemode=False, collections=["customer", "event"])

    assert set(harness.plan()) == {"customer", "event"}
    harness.backfill()
    assert {due.collection for due in plan_reconcile(harness.connections, everything=True)} == {
        "customer",
        "event",
    }
    remedy = "product is not one of the collections of sync default: add it with stripe-sync syncs"
    for refused in (
        lambda: harness.plan("product"),
        lambda: backfill_collection(harness.connections, SYNC, "product"),
        lambda: plan_reconcile(harness.connections, SYNC, ["product"]),
    ):
        with pytest.raises(ConfigurationError, match=remedy):
            refused()

    update_sync(url(harness), SYNC, collections=["customer", "product"])
    assert [report.objects for report in harness.backfill("product")] == [2]


def test_stripe_events_of_other_collections_are_passed_over(harness: SyncHarness) -> None:
    create_sync(url(harness), SYNC, livemode=False, collections=["customer"])
    harness.backfill()
    customer = harness.stripe.v1.customers.create({"name": "Ada"})
    product = harness.stripe.v1.products.create({"name": "Tea"})

    harness.poll()

    stored = harness.sql("SELECT collection_id, upstream_id FROM stripe_raw.records")
    assert stored == [("stripe:customer", customer.id)]
    # One that is added later has what was passed over a moment ago, even without a backfill.
    update_sync(url(harness), SYNC, collections=["customer", "product"])
    harness.poll()
    assert harness.record(product.id)["payload"]["name"] == "Tea"
    harness.assert_streams_agree()


def test_children_follow_their_parents_that_are_not_stored(harness: SyncHarness) -> None:
    harness = unthrottled(harness)
    harness.sandbox.control.demo()
    create_sync(url(harness), SYNC, livemode=False, collections=["line_item"])
    harness.backfill()
    draft = next(
        obj for obj in harness.sandbox.control.objects("invoice") if obj["status"] == "draft"
    )
    line = {**draft["lines"]["data"][0], "id": "il_anew", "amount": 1}
    lines = {**draft["lines"], "data": [line]}

    harness.sandbox.control.put({**draft, "lines": lines}, emit=True)
    harness.poll()

    assert harness.record(f"{draft['id']}:il_anew")["payload"]["amount"] == 1
    kinds = harness.sql("SELECT DISTINCT collection_id FROM stripe_raw.records")
    assert kinds == [("stripe:line_item",)]
    harness.assert_streams_agree()


def test_a_paused_sync_sends_no_requests(harness: SyncHarness) -> None:
    harness.backfill("customer")
    pause_sync(url(harness), SYNC)
    sent = harness.sandbox.control.stats()["requests"]

    remedy = "sync default is paused: resume it with stripe-sync syncs resume default"
    for refused in (
        harness.plan,
        lambda: backfill_collection(harness.connections, SYNC, "customer"),
        lambda: plan_reconcile(harness.connections, SYNC),
        lambda: reconcile(harness.connections, SYNC, ["customer"]),
        lambda: poll(harness.connections, SYNC, seconds=5),
    ):
        with pytest.raises(SyncConflict, match=remedy):
            refused()
    assert list_syncs(url(harness), active=True) == []
    assert harness.sandbox.control.stats()["requests"] == sent
    assert not sync_status(url(harness), SYNC).is_up_to_date

    resume_sync(url(harness), SYNC)
    harness.stripe.v1.customers.create({"name": "meanwhile"})
    harness.poll()
    assert sync_status(url(harness), SYNC).is_up_to_date


def test_the_status_has_polling_problems_and_collections(harness: SyncHarness) -> None:
    harness.sandbox.control.seed({"customer": 3})
    harness.backfill("customer")
    harness.poll()

    status = sync_status(url(harness), SYNC)

    assert status.is_up_to_date
    assert status.problems == ()
    assert status.polling.polls == 1
    assert not status.polling.is_running
    assert status.polling.reads_30_days > 0
    [customers] = status.collections
    assert (customers.collection_id, customers.status, customers.objects) == (
        "stripe:customer",
        "done",
        3,
    )
    assert status.sync.name == SYNC

    harness.sql("UPDATE stripe_sync.poll_state SET message = 'no key' RETURNING 1")
    assert sync_status(url(harness), SYNC).problems == ("no key",)
