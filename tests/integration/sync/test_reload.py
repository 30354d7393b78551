"""A warehouse rebuilt from the lake has the rows of the lost one; Stripe gets no request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from databases import new_database
from integration.sync.sync_processes import Work, follow_stream, reload_collection
from stripe_sandbox.server import Running
from stripe_sync.client import Credential
from stripe_sync.errors import ConfigurationError, SyncBusy
from stripe_sync.lake import LakeReader
from stripe_sync.records import Batch, Source
from stripe_sync.sync.progress import Progress
from stripe_sync.sync.reload import plan_reload
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness, make_harness, unthrottled
from unit.records.changes.observations import observation

COLLECTIONS = ("customer", "invoice", "charge", "event")


@pytest.fixture
def harness(harness: SyncHarness) -> SyncHarness:
    """A sync that was never run, without Stripe's limits."""
    return unthrottled(harness)


@pytest.fixture
def rebuilt(harness: SyncHarness, postgres_url: str) -> Iterator[SyncHarness]:
    """The same lake, an empty warehouse, and a Stripe that cannot be reached."""
    credential = Credential(harness.sandbox.api_key, "http://127.0.0.1:9")
    with new_database(postgres_url) as url:
        yield replace(
            harness,
            connections=replace(harness.connections, warehouse_url=url, credential=credential),
        )


def fill(harness: SyncHarness) -> None:
    """Backfill and poll: objects created, changed once and often, and deleted."""
    harness.sandbox.control.seed({"customer": 120, "invoice": 30, "charge": 20})
    harness.backfill(*COLLECTIONS)
    customers = harness.stripe.v1.customers
    first, second = (customer.id for customer in customers.list({"limit": 2}).data)
    customers.update(first, {"description": "NUL \u0000 inside"})
    harness.poll()
    for number in range(3):
        customers.update(second, {"name": f"name {number}"})
    customers.create({"name": "new"})
    harness.poll()
    customers.delete(first)
    customers.update(second, {"name": "the last one"})
    harness.poll()


def rows_in_lake(harness: SyncHarness, collection: str) -> int:
    """Change events in the files, however often each."""
    return sum(batch.num_rows for batch in harness.lake.event_batches(collection))


def reload(harness: SyncHarness) -> None:
    for name in plan_reload(harness.connections, SYNC):
        reload_collection(harness.connections, SYNC, name)


def rows(harness: SyncHarness, table: str) -> list[dict[str, Any]]:
    """All rows, without their positions; those of a record in the order of the stream."""
    found = harness.sql(
        f"SELECT to_jsonb(t) - 'seq' FROM stripe_raw.{table} t"
        " ORDER BY collection_id, upstream_id, seq"
    )
    return [row[0] for row in found]


def test_a_lost_warehouse_comes_back_from_the_lake(
    harness: SyncHarness, rebuilt: SyncHarness
) -> None:
    fill(harness)
    reload(rebuilt)
    for table in ("records", "events"):
        assert rows(rebuilt, table) == rows(harness, table) != []
    rebuilt.assert_streams_agree()
    positions = [row[0] for row in rebuilt.sql("SELECT seq FROM stripe_raw.events ORDER BY seq")]
    assert len(set(positions)) == len(positions)


def test_reloading_again_changes_nothing(harness: SyncHarness, rebuilt: SyncHarness) -> None:
    fill(harness)
    reload(rebuilt)
    before = rebuilt.contents()
    reload(rebuilt)
    assert rebuilt.contents() == before


def test_reloading_into_the_warehouse_that_lost_nothing_changes_nothing(
    harness: SyncHarness,
) -> None:
    fill(harness)
    before = harness.contents()
    reload(harness)
    assert harness.contents() == before


def test_what_others_write_meanwhile_reaches_the_lake(
    harness: SyncHarness, rebuilt: SyncHarness
) -> None:
    """As a reconcile of another collection or a mutation does; what is put back does not."""
    fill(harness)
    in_lake = [rows_in_lake(harness, name) for name in COLLECTIONS]
    plan_reload(rebuilt.connections, SYNC)
    written: list[UUID] = []
    with Warehouse(rebuilt.connections.warehouse_url) as warehouse, warehouse.writer() as writer:
        sync = warehouse.syncs.find(SYNC)
        assert sync is not None

        def write(_: Progress) -> None:
            key = f"prod_{len(written)}"
            product = observation({}, upstream_id=key, collection_id="stripe:product")
            writer.load(Batch(sync.id, sync.resource_id, Source.RECONCILE, [product]))
            written.append(UUID(rebuilt.events(key)[0]["id"]))

        for name in COLLECTIONS:
            reload_collection(rebuilt.connections, SYNC, name, progress=write)
    credential = harness.connections.credential
    follow_stream(replace(rebuilt.connections, credential=credential), SYNC, "")
    assert {UUID(str(name)) for name in rebuilt.lake.events("product")["id"]} == set(written)
    assert rows_in_lake(rebuilt, "product") == len(written) >= 2 * len(COLLECTIONS)
    assert [rows_in_lake(rebuilt, name) for name in COLLECTIONS] == in_lake


def test_the_sync_goes_on_after_it(harness: SyncHarness, rebuilt: SyncHarness) -> None:
    fill(harness)
    names = harness.lake.records("customer")["upstream_id"]
    reload(rebuilt)
    customer = next(name for name in names if not rebuilt.record(name)["deleted"])
    events = len(rebuilt.events(customer))
    harness.stripe.v1.customers.update(customer, {"name": "after it"})
    going_on = replace(
        rebuilt, connections=replace(rebuilt.connections, credential=harness.connections.credential)
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
    assert rebuilt.sql("SELECT account_id FROM stripe_sync.syncs") == harness.sql(
        "SELECT account_id FROM stripe_sync.syncs"
    )


def test_a_backfill_after_it_leaves_the_lake_as_it_was(
    harness: SyncHarness, rebuilt: SyncHarness
) -> None:
    harness.sandbox.control.seed({"customer": 3})
    harness.backfill("customer")
    before = harness.lake.events("customer").to_dict("records")
    reload(rebuilt)
    harness.stripe.v1.customers.create({"name": "new"})
    going_on = replace(
        rebuilt, connections=replace(rebuilt.connections, credential=harness.connections.credential)
    )
    going_on.backfill("customer")
    assert harness.lake.events("customer").to_dict("records")[:3] == before
    assert len(harness.lake.records("customer")) == 4


@pytest.fixture
def fresh(harness: SyncHarness, postgres_url: str) -> Iterator[SyncHarness]:
    """The same lake and Stripe account, and an empty warehouse."""
    with new_database(postgres_url) as url:
        yield replace(harness, connections=replace(harness.connections, warehouse_url=url))


def lake_files(harness: SyncHarness) -> dict[Path, bytes]:
    """All files of the lake."""
    folder = Path(harness.connections.lake_url)
    return {path: path.read_bytes() for path in folder.rglob("*.parquet")}


DOTTED = ("checkout.session", "issuing.card", "customer")


def test_a_warehouse_that_does_not_know_the_lakes_sync_is_refused_until_it_is_reloaded(
    harness: SyncHarness, fresh: SyncHarness
) -> None:
    harness.sandbox.control.demo()
    harness.backfill(*DOTTED)
    before = lake_files(harness)
    with pytest.raises(ConfigurationError, match="stripe_reload"):
        fresh.plan(*DOTTED)
    with pytest.raises(ConfigurationError, match="stripe_reload"):
        fresh.poll()
    assert fresh.sql("SELECT count(*) FROM stripe_sync.syncs") == [(0,)]
    # One collection was reloaded, the others not yet.
    plan_reload(fresh.connections, SYNC)
    reload_collection(fresh.connections, SYNC, DOTTED[0])
    with pytest.raises(ConfigurationError, match="stripe_reload"):
        fresh.backfill(DOTTED[1])
    reload(fresh)
    fresh.backfill(*DOTTED)
    assert lake_files(harness) == before
    assert rows(fresh, "records") == rows(harness, "records") != []


def test_a_backfill_after_a_reload_writes_over_no_file(
    harness: SyncHarness, fresh: SyncHarness
) -> None:
    harness.sandbox.control.demo()
    harness.backfill(*DOTTED)
    generations = LakeReader(harness.lake).watermarks().generations
    before = lake_files(harness)
    reload(fresh)
    harness.sandbox.control.seed({"checkout.session": 2, "issuing.card": 2, "customer": 2})
    fresh.backfill(*DOTTED)
    after = lake_files(harness)
    assert {path: after[path] for path in before} == before
    assert len({path.parent.name for path in after.keys() - before.keys()}) == 4
    later = LakeReader(harness.lake).watermarks().generations
    assert all(later[name] > generations[name] for name in DOTTED)


def test_a_warehouse_from_a_backup_writes_over_no_file_and_removes_none(
    harness: SyncHarness, postgres_url: str
) -> None:
    harness.sandbox.control.seed({"checkout.session": 2, "customer": 2})
    harness.backfill("checkout.session", "customer")
    with new_database(postgres_url, like=harness.connections.warehouse_url) as url:
        older = replace(harness, connections=replace(harness.connections, warehouse_url=url))
        for _ in range(2):  # the generations that the backup lacks
            harness.sandbox.control.seed({"checkout.session": 2, "customer": 2})
            harness.backfill("checkout.session", "customer")
        before = lake_files(harness)
        harness.sandbox.control.seed({"checkout.session": 2, "customer": 2})
        older.backfill("checkout.session", "customer")
        after = lake_files(harness)
    assert {path: after[path] for path in before} == before
    assert len(after) > len(before)


def test_an_interrupted_reload_goes_on(harness: SyncHarness, rebuilt: SyncHarness) -> None:
    harness.sandbox.control.seed({"charge": 9_000}, spread="random")
    harness.backfill("charge")
    plan_reload(rebuilt.connections, SYNC, ["charge"])
    for batches in (1, 3, 6):
        work = Work(reload_collection, rebuilt.connections, SYNC, "charge")
        for _ in range(batches):
            assert isinstance(work.messages.recv(), int)
        work.kill()
    assert rebuilt.sql("SELECT count(*) > 0 FROM stripe_raw.events") == [(True,)]
    assert Work(reload_collection, rebuilt.connections, SYNC, "charge").end() == "done"
    for table in ("records", "events"):
        assert rows(rebuilt, table) == rows(harness, table) != []
    rebuilt.assert_streams_agree()


def test_it_does_not_run_beside_a_poller(harness: SyncHarness) -> None:
    harness.sandbox.control.demo()
    harness.backfill("customer")
    harness.sql(
        "UPDATE stripe_sync.poll_state SET lease_owner = 'someone',"
        " lease_until = now() + interval '1 minute' RETURNING 1"
    )
    with pytest.raises(SyncBusy, match="stripe_poll"):
        plan_reload(harness.connections, SYNC)


def test_an_empty_lake_says_so(harness: SyncHarness) -> None:
    with pytest.raises(ConfigurationError, match="has no files"):
        plan_reload(harness.connections, SYNC)


def test_another_accounts_lake_is_refused(
    sandbox: Running, harness: SyncHarness, warehouse_url: str, tmp_path: Path
) -> None:
    sandbox.control.demo()
    harness.backfill("customer")
    sandbox.control.add_account("acct_other")
    sandbox.control.add_key("sk_test_other", account="acct_other")
    other = make_harness(sandbox, warehouse_url, tmp_path / "other").with_key("sk_test_other")
    for table in ("stripe_sync.syncs", "stripe_raw.records", "stripe_raw.events"):
        other.sql(f"DELETE FROM {table} RETURNING 1")
    other.plan("customer")
    mixed = replace(
        other, connections=replace(other.connections, lake_url=harness.connections.lake_url)
    )
    with pytest.raises(ConfigurationError, match="different Stripe accounts"):
        plan_reload(mixed.connections, SYNC)
