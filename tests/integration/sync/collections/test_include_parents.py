"""Collections that only serve as parents of others, unless a sync asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from account_driver import Account, copied, event_type, newest, stored
from databases import new_database
from stripe_sandbox.server import running
from stripe_sync.catalog import load_catalog
from stripe_sync.errors import ConfigurationError
from stripe_sync.sync.connections import SyncSettings
from stripe_sync.sync.reconcile.reconcile import reconcile_collection
from stripe_sync.sync.reconcile.schedule import plan_chosen
from sync_harness import SYNC, make_harness, unthrottled

PARENTS = ("account", "application_fee", "payment_link", "quote")
CATALOG = load_catalog(PARENTS)
BELOW = ("bank_account", "capability", "fee_refund", "item", "person")
"""What belongs to them."""


@pytest.fixture(scope="module")
def account(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """The demo's shop, of which parents and what belongs to them are backfilled."""
    with running() as sandbox, new_database(postgres_url) as url:
        sandbox.control.demo()
        harness = make_harness(sandbox, url, tmp_path_factory.mktemp("parents"))
        harness = unthrottled(harness, include_parents=PARENTS)
        harness.backfill(*PARENTS, *BELOW)
        harness.poll()
        yield Account(harness)
        harness.assert_streams_agree()


@pytest.mark.parametrize("name", PARENTS)
def test_included_parents_are_stored_like_all_others(account: Account, name: str) -> None:
    collection, harness = CATALOG.resolve(name), account.harness
    missing = "SELECT upstream_id FROM stripe_sync.missing_objects WHERE status = 'unlisted'"
    existing = {obj["id"] for obj in account.objects(collection)} | {
        key for (key,) in harness.sql(f"{missing} AND collection_id = %s", collection.id)
    }
    rows = harness.sql(
        "SELECT upstream_id FROM stripe_raw.records WHERE collection_id = %s", collection.id
    )
    assert {key for (key,) in rows} == existing
    assert harness.state(name)["status"] == "done"
    assert len(harness.lake.records(name)) == len(existing)


@pytest.mark.parametrize("name", PARENTS)
def test_parents_follow_their_stripe_events(account: Account, name: str) -> None:
    collection, harness = CATALOG.resolve(name), account.harness
    obj = account.put({**account.synced(collection), "marked": "edited"})
    account.send_event(
        str(event_type(collection, "updated")), obj, previous_attributes={"marked": None}
    )
    harness.poll()
    assert stored(harness, collection, obj["id"])["payload"]["marked"] == "edited"
    assert newest(harness, collection, obj["id"]) == ("updated", "poll", True)


@pytest.mark.parametrize("name", PARENTS)
def test_deleted_parents_are_found_by_reconcile(account: Account, name: str) -> None:
    collection, harness = CATALOG.resolve(name), account.harness
    obj = account.put(copied(account.synced(collection), "silent"))
    for expected in ("created", "deleted"):
        reconcile_collection(harness.connections, SYNC, name)
        assert newest(harness, collection, obj["id"]) == (expected, "reconcile", False)
        if expected == "created":
            account.remove(obj)


def test_children_of_stored_parents_take_no_list_of_them(account: Account) -> None:
    account.harness.backfill(*PARENTS)
    account.harness.sandbox.control.reset_stats()
    account.harness.backfill("person", "capability")
    assert "GET /v1/accounts" not in account.harness.sandbox.control.stats()["by_endpoint"]


def test_a_sync_that_includes_parents_has_them_among_its_collections(account: Account) -> None:
    with_parents = account.harness.connections
    without = replace(with_parents, settings=SyncSettings())
    assert set(account.harness.plan()) >= {*PARENTS, "customer"}
    assert {due.collection for due in plan_chosen(with_parents, SYNC, [], None)} >= set(PARENTS)
    assert not {due.collection for due in plan_chosen(without, SYNC, [], None)} & set(PARENTS)
    with pytest.raises(ConfigurationError, match="no collection 'quote'"):
        load_catalog().resolve("quote")


def test_an_unknown_parent_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"may be account, .*quote, not customer"):
        SyncSettings.parse({"include_parents": ["quote", "customer"]})
