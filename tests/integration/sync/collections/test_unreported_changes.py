"""Over the whole catalogue: changes that no Stripe event tells of are found by reading again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from account_driver import Account, copied, key, newest, stored
from databases import new_database
from shop import CATALOG
from stripe_sandbox.server import running
from stripe_sync.catalog import Collection, Reread, Retrieval
from stripe_sync.client import Credential
from stripe_sync.clock import SystemClock, to_unix
from stripe_sync.extract import reading
from stripe_sync.records import ids
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.reconcile.deletions import why_deletes_unknown
from stripe_sync.sync.reconcile.reconcile import reconcile_collection
from stripe_sync.sync.reconcile.schedule import in_order, plan_due
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness, make_harness, unthrottled

UNREADABLE = {Retrieval.CREATE_ONLY, Retrieval.EVENT_ONLY}
"""Nothing can be read again of what only an answer or a Stripe event ever showed."""

ROWS = [row for row in CATALOG.values() if row.name != "event"]
READ = [row for row in ROWS if row.retrieval not in UNREADABLE]
WINDOWS = [(row, each) for row in ROWS for each in row.reread_schedule if each.days]
EACH_RELIST = [(row, each) for row in ROWS for each in row.reread_schedule]
GONE = [row for row in READ if why_deletes_unknown(row, window=None, bound=None) is None]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday."""
NIGHT, SUNDAY = datetime(2026, 3, 3, 3, tzinfo=UTC), datetime(2026, 3, 8, 3, tzinfo=UTC)


def name_of(value: Any) -> str:
    """What a test is called by."""
    return f"{value.days or 'all'}" if isinstance(value, Reread) else value.name


@pytest.fixture(scope="module")
def account(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """The demo's shop, all of it backfilled; each test changes objects of its own."""
    with running() as sandbox, new_database(postgres_url) as url:
        sandbox.control.demo()
        harness = unthrottled(make_harness(sandbox, url, tmp_path_factory.mktemp("untold")))
        harness.backfill()
        yield Account(harness)
        harness.assert_streams_agree()


def read_again(harness: SyncHarness, row: Collection, days: int | None = None) -> None:
    """Reconcile a collection, after those that its objects stand in."""
    hosts = [row] if reading.has_own_reader(row) else reading.host_collections(CATALOG, row)
    above = {name: CATALOG[name] for each in hosts for name in each.parents if name in CATALOG}
    chosen = hosts if days else [*above.values(), *hosts]
    for each in in_order(CATALOG, chosen):
        window = None if days is None else timedelta(days=days)
        reconcile_collection(harness.connections, SYNC, each.name, window=window)


WITH = {"discount": "subscription", "payment_method": "customer"}
"""Fields without which nobody would miss an object, or see that it was edited."""


def some(account: Account, row: Collection) -> dict[str, Any]:
    """A stored object of a collection."""
    if field := WITH.get(row.name):
        held = (o for o in account.objects(row) if o.get(field))
        return next(o for o in held if stored(account.harness, row, o["id"]))
    return account.synced(row)


def previewed(account: Account, row: Collection) -> tuple[str, list[dict[str, Any]]]:
    """Key of a stored preview, or of its first line, and the subscriptions that it foretells."""
    preview = row if row.preview else reading.host_collections(CATALOG, row)[0]
    [[name]] = account.harness.sql(
        "SELECT upstream_id FROM stripe_raw.records WHERE collection_id = %s AND NOT deleted"
        " ORDER BY 1 LIMIT 1",
        preview.id,
    )
    found = account.objects(CATALOG.resolve("subscription"))
    own = [o for o in found if name in {o["id"], o["customer"]}]
    return name if row.preview else f"{name}:0", own


@pytest.mark.parametrize("row", READ, ids=name_of)
def test_a_silent_edit_is_found_by_reading_everything_again(
    account: Account, row: Collection
) -> None:
    harness = account.harness
    if row.retrieval is Retrieval.PREVIEW:
        name, subscriptions = previewed(account, row)
        for each in subscriptions:
            data = [{**item, "quantity": 78} for item in each["items"]["data"]]
            account.put({**each, "items": {**each["items"], "data": data}})
    else:
        obj = some(account, row)
        name = key(row, obj)
        account.put({**obj, "marked": "silently"})
    read_again(harness, row)
    assert newest(harness, row, name) == ("updated", "reconcile", False)
    seq = stored(harness, row, name)["seq"]
    read_again(harness, row)
    assert stored(harness, row, name)["seq"] == seq


OTHER_KEY = {"usage_record_summary": {"period": {"start": 1, "end": 2}}}
"""What sets an object apart whose key is not its id."""


@pytest.mark.parametrize("row", GONE, ids=name_of)
def test_what_came_and_went_silently_is_found_and_marked(account: Account, row: Collection) -> None:
    harness = account.harness
    if row.retrieval is Retrieval.PREVIEW:
        name, subscriptions = previewed(account, row)
        for each in subscriptions:
            account.put({**each, "status": "canceled"})
    else:
        obj = account.another(some(account, row), "silent", **OTHER_KEY.get(row.name, {}))
        name = key(row, obj)
        read_again(harness, row)
        assert newest(harness, row, name) == ("created", "reconcile", False)
        account.remove(obj)
    before = stored(harness, row, name)
    read_again(harness, row)
    record = stored(harness, row, name)
    assert record["payload"] == before["payload"]
    # A list that shows less than there is says nothing of what it does not show.
    assert record["deleted"] is all(call.owned for call in row.lists)


@pytest.mark.parametrize(("row", "window"), WINDOWS, ids=name_of)
def test_a_window_shows_what_is_new_and_what_was_edited(
    account: Account, row: Collection, window: Reread
) -> None:
    harness, mark = account.harness, f"window_{window.days}"
    now = to_unix(SystemClock().now())
    if row.listed_by_time:
        obj = account.put(copied(account.synced(row), mark, **{str(row.created_field): now}))
    else:
        obj = below_a_new_one(account, row, mark, now)
    read_again(harness, row, window.days)
    assert newest(harness, row, key(row, obj)) == ("created", "reconcile", False)
    account.put({**obj, "marked": mark})
    read_again(harness, row, window.days)
    assert newest(harness, row, key(row, obj)) == ("updated", "reconcile", False)
    assert stored(harness, row, key(row, obj))["payload"]["marked"] == mark


def below_a_new_one(account: Account, row: Collection, mark: str, now: int) -> dict[str, Any]:
    """An object below a parent that was made just now."""
    call = next(c for c in row.lists if c.parent and CATALOG.parent(c.parent).listed_by_time)
    holder = CATALOG.parent(str(call.parent))
    child = account.synced(row, holder)
    parent_id = account.parent_id(row, child)
    template = next(o for o in account.objects(holder) if o["id"] == parent_id)
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
    """A sync of which everything was backfilled on a Monday at noon."""
    with new_database(postgres_url) as url:
        with Warehouse(url) as warehouse:
            warehouse.upgrade()
            resource = ids.resource_id("acct_1", livemode=False)
            sync = warehouse.syncs.ensure(
                SYNC, account_id="acct_1", resource_id=resource, livemode=False, api_version="x"
            )
            for row in CATALOG.values():
                warehouse.collections.start(sync.id, row.id, generation=1, resumed=False)
                warehouse.collections.finish(sync.id, row.id, "done")
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE stripe_sync.collection_state SET started_at = %s", (NOON,))
        yield Connections(Credential("sk_test_x"), url, "")


def due(connections: Connections, at: datetime) -> dict[str, int | None]:
    return {d.collection: d.window_days for d in plan_due(connections, SYNC, at)}


@pytest.mark.parametrize(("row", "reread_schedule"), EACH_RELIST, ids=name_of)
def test_what_the_catalogue_wants_read_again_becomes_due(
    scheduled: Connections, row: Collection, reread_schedule: Reread
) -> None:
    at = NOON + timedelta(minutes=reread_schedule.minutes) if reread_schedule.minutes else NIGHT
    assert row.name not in due(scheduled, NOON)
    window = due(scheduled, at)[row.name]
    # What is due more widely, or as a whole, is read no less.
    assert window is None or window >= (reread_schedule.days or 0)
    assert reread_schedule.days or window is None


@pytest.mark.parametrize("row", READ, ids=name_of)
def test_everything_that_can_be_read_again_is_due_on_sunday_night(
    scheduled: Connections, row: Collection
) -> None:
    found = due(scheduled, SUNDAY)
    readers = [row] if reading.has_own_reader(row) else reading.host_collections(CATALOG, row)
    assert {found[each.name] for each in readers} == {None}
