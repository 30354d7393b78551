"""A warehouse rebuilt from the lake holds what the lost one held, and Stripe is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from databases import new_database
from integration.sync.sync_processes import Work, follow_stream, reload_collection
from stand import SYNC, Stand, make_stand, quickened
from stripe_sandbox.server import Running
from stripe_sync.client import Credential
from stripe_sync.errors import ConfigurationError, SyncBusy
from stripe_sync.sync.progress import Progress
from stripe_sync.sync.reload import plan_reload
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.model import Batch, Source
from unit.warehouse.observations import seen

COLLECTIONS = ("customer", "invoice", "charge", "event")


@pytest.fixture
def stand(stand: Stand) -> Stand:
    """A sync that was never run, without Stripe's limits."""
    return quickened(stand)


@pytest.fixture
def rebuilt(stand: Stand, postgres_url: str) -> Iterator[Stand]:
    """The same lake, an empty warehouse, and a Stripe that cannot be reached."""
    credential = Credential(stand.sandbox.api_key, "http://127.0.0.1:9")
    with new_database(postgres_url) as url:
        yield replace(
            stand,
            connections=replace(stand.connections, warehouse_url=url, credential=credential),
        )


def fill(stand: Stand) -> None:
    """Backfill and poll: objects created, changed once and often, and deleted."""
    stand.sandbox.control.seed({"customer": 120, "invoice": 30, "charge": 20})
    stand.backfill(*COLLECTIONS)
    customers = stand.stripe.v1.customers
    first, second = (customer.id for customer in customers.list({"limit": 2}).data)
    customers.update(first, {"description": "NUL \u0000 inside"})
    stand.poll()
    for number in range(3):
        customers.update(second, {"name": f"name {number}"})
    customers.create({"name": "new"})
    stand.poll()
    customers.delete(first)
    customers.update(second, {"name": "the last one"})
    stand.poll()


def rows_in_lake(stand: Stand, collection: str) -> int:
    """Change events in the files, however often each."""
    return sum(batch.num_rows for batch in stand.lake.event_batches(collection))


def reload(stand: Stand) -> None:
    for name in plan_reload(stand.connections, SYNC):
        reload_collection(stand.connections, SYNC, name)


def rows(stand: Stand, table: str) -> list[dict[str, Any]]:
    """All rows, without their positions; those of a record in the order of the stream."""
    found = stand.sql(
        f"SELECT to_jsonb(t) - 'seq' FROM stripe_raw.{table} t"
        " ORDER BY collection_id, upstream_id, seq"
    )
    return [row[0] for row in found]


def test_a_lost_warehouse_comes_back_from_the_lake(stand: Stand, rebuilt: Stand) -> None:
    fill(stand)
    reload(rebuilt)
    for table in ("records", "events"):
        assert rows(rebuilt, table) == rows(stand, table) != []
    rebuilt.assert_streams_agree()
    positions = [row[0] for row in rebuilt.sql("SELECT seq FROM stripe_raw.events ORDER BY seq")]
    assert len(set(positions)) == len(positions)


def test_reloading_again_changes_nothing(stand: Stand, rebuilt: Stand) -> None:
    fill(stand)
    reload(rebuilt)
    before = rebuilt.contents()
    reload(rebuilt)
    assert rebuilt.contents() == before


def test_reloading_into_the_warehouse_that_lost_nothing_changes_nothing(stand: Stand) -> None:
    fill(stand)
    before = stand.contents()
    reload(stand)
    assert stand.contents() == before


def test_what_others_write_meanwhile_reaches_the_lake(stand: Stand, rebuilt: Stand) -> None:
    """As a reconcile of another collection or a mutation does; what is put back does not."""
    fill(stand)
    in_lake = [rows_in_lake(stand, name) for name in COLLECTIONS]
    plan_reload(rebuilt.connections, SYNC)
    written: list[UUID] = []
    with Warehouse(rebuilt.connections.warehouse_url) as warehouse, warehouse.loader() as loader:
        sync = warehouse.find_sync(SYNC)
        assert sync is not None

        def write(_: Progress) -> None:
            key = f"prod_{len(written)}"
            product = seen({}, upstream_id=key, collection_id="stripe:product")
            loader.load(Batch(sync.id, sync.resource_id, Source.RECONCILE, [product]))
            written.append(UUID(rebuilt.events(key)[0]["id"]))

        for name in COLLECTIONS:
            reload_collection(rebuilt.connections, SYNC, name, progress=write)
    credential = stand.connections.credential
    follow_stream(replace(rebuilt.connections, credential=credential), SYNC, "")
    assert {UUID(str(name)) for name in rebuilt.lake.events("product")["id"]} == set(written)
    assert rows_in_lake(rebuilt, "product") == len(written) >= 2 * len(COLLECTIONS)
    assert [rows_in_lake(rebuilt, name) for name in COLLECTIONS] == in_lake


def test_the_sync_goes_on_after_it(stand: Stand, rebuilt: Stand) -> None:
    fill(stand)
    names = stand.lake.records("customer")["upstream_id"]
    reload(rebuilt)
    customer = next(name for name in names if not rebuilt.record(name)["deleted"])
    events = len(rebuilt.events(customer))
    stand.stripe.v1.customers.update(customer, {"name": "after it"})
    going_on = replace(
        rebuilt, connections=replace(rebuilt.connections, credential=stand.connections.credential)
    )
    going_on.poll(3)
    assert len(rebuilt.events(customer)) == events + 1
    assert rebuilt.record(customer)["payload"]["name"] == "after it"
    [backfilled] = going_on.backfill("customer")
    assert (backfilled.created, backfilled.updated) == (0, 0)
    rebuilt.assert_streams_agree()
    # Nothing in the lake was written over.
    lake = rebuilt.lake.records("customer")
    assert set(names) <= set(lake["upstream_id"])
    assert rebuilt.sql("SELECT account_id FROM stripe_sync.syncs") == stand.sql(
        "SELECT account_id FROM stripe_sync.syncs"
    )


def test_a_backfill_after_it_leaves_the_lake_as_it_was(stand: Stand, rebuilt: Stand) -> None:
    stand.sandbox.control.seed({"customer": 3})
    stand.backfill("customer")
    before = stand.lake.events("customer").to_dict("records")
    reload(rebuilt)
    stand.stripe.v1.customers.create({"name": "new"})
    going_on = replace(
        rebuilt, connections=replace(rebuilt.connections, credential=stand.connections.credential)
    )
    going_on.backfill("customer")
    assert stand.lake.events("customer").to_dict("records")[:3] == before
    assert len(stand.lake.records("customer")) == 4


def test_an_interrupted_reload_goes_on(stand: Stand, rebuilt: Stand) -> None:
    stand.sandbox.control.seed({"charge": 9_000}, spread="random")
    stand.backfill("charge")
    plan_reload(rebuilt.connections, SYNC, ["charge"])
    for batches in (1, 3, 6):
        work = Work(reload_collection, rebuilt.connections, SYNC, "charge")
        for _ in range(batches):
            assert isinstance(work.told.recv(), int)
        work.kill()
    assert rebuilt.sql("SELECT count(*) > 0 FROM stripe_raw.events") == [(True,)]
    assert Work(reload_collection, rebuilt.connections, SYNC, "charge").end() == "done"
    for table in ("records", "events"):
        assert rows(rebuilt, table) == rows(stand, table) != []
    rebuilt.assert_streams_agree()


def test_it_does_not_run_beside_a_poller(stand: Stand) -> None:
    stand.sandbox.control.demo()
    stand.backfill("customer")
    stand.sql(
        "UPDATE stripe_sync.poll_state SET lease_owner = 'someone',"
        " lease_until = now() + interval '1 minute' RETURNING 1"
    )
    with pytest.raises(SyncBusy, match="stripe_poll"):
        plan_reload(stand.connections, SYNC)


def test_an_empty_lake_says_so(stand: Stand) -> None:
    with pytest.raises(ConfigurationError, match="holds nothing"):
        plan_reload(stand.connections, SYNC)


def test_another_accounts_lake_is_refused(
    sandbox: Running, stand: Stand, warehouse_url: str, tmp_path: Path
) -> None:
    sandbox.control.demo()
    stand.backfill("customer")
    sandbox.control.add_account("acct_other")
    sandbox.control.add_key("sk_test_other", account="acct_other")
    other = make_stand(sandbox, warehouse_url, tmp_path / "other").with_key("sk_test_other")
    other.sql("DELETE FROM stripe_sync.syncs RETURNING 1")
    other.plan("customer")
    mixed = replace(
        other, connections=replace(other.connections, lake_url=stand.connections.lake_url)
    )
    with pytest.raises(ConfigurationError, match="different Stripe accounts"):
        plan_reload(mixed.connections, SYNC)
