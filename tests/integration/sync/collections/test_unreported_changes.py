"""Over the whole catalogue: changes without a Stripe event are found by reading again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from account_driver import Account, copied, key, newest, stored
from databases import new_database
from shop import CATALOG, BackfilledShop
from stripe_sync.catalog import Collection, Reread, Retrieval
from stripe_sync.catalog.dependencies import has_own_reader, host_collections, read_order
from stripe_sync.client import Credential
from stripe_sync.clock import SystemClock, to_unix
from stripe_sync.records import CollectionStatus, ids
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.reconcile.deletions import why_deletes_unknown
from stripe_sync.sync.reconcile.reconcile import reconcile_collection
from stripe_sync.sync.reconcile.schedule import plan_due
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness

UNREADABLE = {Retrieval.CREATE_ONLY, Retrieval.EVENT_ONLY}
"""These cannot be read again."""

ROWS = [collection for collection in CATALOG.values() if collection.name != "event"]
READ = [collection for collection in ROWS if collection.retrieval not in UNREADABLE]
CHANGING = [each for each in READ if not any(call.read_once for call in each.lists)]
"""What never changes is not read again: test_payout_transactions.py."""
WINDOWS = [
    (collection, each) for collection in ROWS for each in collection.reread_schedule if each.days
]
REREADS = [(collection, each) for collection in ROWS for each in collection.reread_schedule]
GONE = [
    collection
    for collection in CHANGING
    if why_deletes_unknown(collection, window=None, bound=None) is None
]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday."""
NIGHT, SUNDAY = datetime(2026, 3, 3, 3, tzinfo=UTC), datetime(2026, 3, 8, 3, tzinfo=UTC)


def name_of(value: Any) -> str:
    """The id of a test case."""
    return f"{value.days or 'all'}" if isinstance(value, Reread) else value.name


@pytest.fixture(scope="module")
def account(
    backfilled: BackfilledShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """The demo's shop, backfilled; each test changes objects of its own."""
    with backfilled.copy(tmp_path_factory.mktemp("unreported")) as shop:
        yield Account(shop.harness)
        shop.harness.assert_streams_agree()


def read_again(harness: SyncHarness, collection: Collection, days: int | None = None) -> None:
    """Reconcile a collection, after those that contain its objects."""
    hosts = [collection] if has_own_reader(collection) else host_collections(CATALOG, collection)
    above = {name: CATALOG[name] for each in hosts for name in each.parents if name in CATALOG}
    chosen = hosts if days else [*above.values(), *hosts]
    for each in read_order(CATALOG, chosen):
        window = None if days is None else timedelta(days=days)
        reconcile_collection(harness.connections, SYNC, each.name, window=window)


WITH = {"discount": "subscription", "payment_method": "customer"}
"""Fields without which the deletion or edit of an object cannot be noticed."""


def some(account: Account, collection: Collection) -> dict[str, Any]:
    """A stored object of a collection."""
    if field := WITH.get(collection.name):
        having_field = (o for o in account.objects(collection) if o.get(field))
        return next(o for o in having_field if stored(account.harness, collection, o["id"]))
    return account.synced(collection)


def previewed(account: Account, collection: Collection) -> tuple[str, list[dict[str, Any]]]:
    """Key of a stored preview, or of its first line, and the subscriptions that it is about."""
    preview = collection if collection.preview else host_collections(CATALOG, collection)[0]
    [[name]] = account.harness.sql(
        "SELECT upstream_id FROM stripe_raw.records WHERE collection_id = %s AND NOT deleted"
        " ORDER BY 1 LIMIT 1",
        preview.id,
    )
    found = account.objects(CATALOG.resolve("subscription"))
    own = [o for o in found if name in {o["id"], o["customer"]}]
    return name if collection.preview else f"{name}:0", own


@pytest.mark.parametrize("collection", CHANGING, ids=name_of)
def test_a_silent_edit_is_found_by_reconcile(account: Account, collection: Collection) -> None:
    harness = account.harness
    if collection.retrieval is Retrieval.PREVIEW:
        name, subscriptions = previewed(account, collection)
        for each in subscriptions:
            data = [{**item, "quantity": 78} for item in each["items"]["data"]]
            account.put({**each, "items": {**each["items"], "data": data}})
    else:
        obj = some(account, collection)
        name = key(collection, obj)
        account.put({**obj, "marked": "silently"})
    read_again(harness, collection)
    assert newest(harness, collection, name) == ("updated", "reconcile", False)
    seq = stored(harness, collection, name)["seq"]
    read_again(harness, collection)
    assert stored(harness, collection, name)["seq"] == seq


OTHER_KEY = {"usage_record_summary": {"period": {"start": 1, "end": 2}}}
"""Fields that make the key of a copy another one."""


@pytest.mark.parametrize("collection", GONE, ids=name_of)
def test_a_silent_creation_and_deletion_are_found_by_reconcile(
    account: Account, collection: Collection
) -> None:
    harness = account.harness
    if collection.retrieval is Retrieval.PREVIEW:
        name, subscriptions = previewed(account, collection)
        for each in subscriptions:
            account.put({**each, "status": "canceled"})
    else:
        obj = account.copy(
            some(account, collection), "silent", **OTHER_KEY.get(collection.name, {})
        )
        name = key(collection, obj)
        read_again(harness, collection)
        assert newest(harness, collection, name) == ("created", "reconcile", False)
        account.remove(obj)
    before = stored(harness, collection, name)
    read_again(harness, collection)
    record = stored(harness, collection, name)
    assert record["payload"] == before["payload"]
    # A list that leaves out existing objects does not show which are deleted.
    assert record["deleted"] is all(call.missing_means_deleted for call in collection.lists)


@pytest.mark.parametrize(("collection", "window"), WINDOWS, ids=name_of)
def test_a_window_finds_new_and_edited_objects(
    account: Account, collection: Collection, window: Reread
) -> None:
    # Other windows are tested with objects that contain or name such objects.
    harness, mark = account.harness, f"window_{collection.name}_{window.days}"
    now = to_unix(SystemClock().now())
    if collection.listed_by_time:
        obj = account.put(
            copied(account.synced(collection), mark, **{str(collection.created_field): now})
        )
    else:
        obj = below_a_new_one(account, collection, mark, now)
    read_again(harness, collection, window.days)
    assert newest(harness, collection, key(collection, obj)) == ("created", "reconcile", False)
    account.put({**obj, "marked": mark})
    read_again(harness, collection, window.days)
    assert newest(harness, collection, key(collection, obj)) == ("updated", "reconcile", False)
    assert stored(harness, collection, key(collection, obj))["payload"]["marked"] == mark


def below_a_new_one(
    account: Account, collection: Collection, mark: str, now: int
) -> dict[str, Any]:
    """An object whose parent was created just now."""
    call = next(c for c in collection.lists if c.parent and CATALOG.parent(c.parent).listed_by_time)
    host = CATALOG.parent(str(call.parent))
    child = account.synced(collection, host)
    parent_id = account.parent_id(collection, child)
    template = next(o for o in account.objects(host) if o["id"] == parent_id)
    parent = copied(template, mark, created=now)
    if call.embedded:
        account.put(parent)
        found: dict[str, Any] = parent[call.embedded]["data"][0]
        return found
    child = account.put(copied(child, mark, **{call.placeholders[0]: parent["id"]}))
    account.put({**parent, "latest_attempt": child["id"]})
    return child


@pytest.fixture(scope="module")
def scheduled(postgres_url: str) -> Iterator[Connections]:
    """A sync that was backfilled on a Monday at noon."""
    with new_database(postgres_url) as url:
        with Warehouse(url) as warehouse:
            warehouse.upgrade()
            resource = ids.resource_id("acct_1", livemode=False)
            sync = warehouse.syncs.ensure(
                SYNC, account_id="acct_1", resource_id=resource, livemode=False, api_version="x"
            )
            for collection in CATALOG.values():
                warehouse.collections.start(sync.id, collection.id, generation=1, resumed=False)
                warehouse.collections.finish(sync.id, collection.id, CollectionStatus.DONE)
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE stripe_sync.collection_state SET started_at = %s", (NOON,))
        yield Connections(Credential("sk_test_x"), url, "")


def due(connections: Connections, at: datetime) -> dict[str, int | None]:
    return {d.collection: d.window_days for d in plan_due(connections, SYNC, at)}


@pytest.mark.parametrize(("collection", "reread_schedule"), REREADS, ids=name_of)
def test_each_entry_of_a_reread_schedule_becomes_due(
    scheduled: Connections, collection: Collection, reread_schedule: Reread
) -> None:
    at = NOON + timedelta(minutes=reread_schedule.minutes) if reread_schedule.minutes else NIGHT
    assert collection.name not in due(scheduled, NOON)
    window = due(scheduled, at)[collection.name]
    # A wider window includes it.
    assert window is None or window >= (reread_schedule.days or 0)
    assert reread_schedule.days or window is None


@pytest.mark.parametrize("collection", READ, ids=name_of)
def test_every_readable_collection_is_due_on_sunday_night(
    scheduled: Connections, collection: Collection
) -> None:
    found = due(scheduled, SUNDAY)
    readers = [collection] if has_own_reader(collection) else host_collections(CATALOG, collection)
    assert {found[each.name] for each in readers} == {None}
