"""Maintenance keeps lake and warehouse small, and changes nothing that anybody relies on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from databases import new_database
from integration.sync.backfill.test_backfill_interrupted import fast_stand
from integration.sync.sync_processes import Work, backfill_collection, follow_stream, maintain
from integration.sync.test_lake_follower import assert_lake_has_stream_once, change
from snapshots import Snapshot
from stripe_sandbox.server import Running
from stripe_sync import create_consumer, get_consumer, list_syncs, replay_consumer
from stripe_sync.clock import SystemClock
from stripe_sync.errors import ConfigurationError
from stripe_sync.lake import BackfillFile, file_names
from stripe_sync.sync.connections import SyncSettings
from stripe_sync.sync.maintain import CollectionMaintenance, maintain_sync
from stripe_sync.sync.reload import plan_reload, reload_collection
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness

ROUNDS = 5


class Later(SystemClock):
    """A clock that is some days ahead."""

    def __init__(self, days: float) -> None:
        self._ahead = timedelta(days=days)

    def now(self) -> datetime:
        return super().now() + self._ahead


@pytest.fixture(scope="module")
def filled(original: SyncHarness, postgres_url: str) -> Snapshot:
    """A sync with many small files: each backfill found some new objects, changed ones too."""
    control = original.sandbox.control
    for _ in range(ROUNDS):
        control.seed({"customer": 3, "charge": 2})
        old = control.objects("customer")[0]["id"]
        control.mutate("customer", old, {"name": f"at {time.monotonic_ns()}"})
        original.backfill("customer", "charge")
    return Snapshot.of(original, postgres_url)


@pytest.fixture
def harness(filled: Snapshot, tmp_path: Path) -> Iterator[SyncHarness]:
    """A copy of that sync."""
    with filled.copy(tmp_path) as copy:
        yield copy


def keeping(harness: SyncHarness, days: int) -> SyncHarness:
    settings = SyncSettings(redact=False, keep_events_days=days)
    return replace(harness, connections=replace(harness.connections, settings=settings))


def files(harness: SyncHarness) -> list[str]:
    lake = Path(harness.connections.lake_url)
    found = lake.rglob("collection=*/**/*.parquet")
    return sorted(str(path.relative_to(lake)) for path in found if ".staging-" not in str(path))


def lake_rows(harness: SyncHarness) -> list[list[dict[str, Any]]]:
    """Everything in the lake, as often as it lies there, in no certain order."""
    streams = (harness.lake.record_batches(), harness.lake.event_batches())
    return [
        sorted((row for part in parts for row in part.to_pylist()), key=str) for parts in streams
    ]


def done_for(harness: SyncHarness, collection: str, **options: Any) -> CollectionMaintenance:
    report = maintain_sync(harness.connections, SYNC, **options)
    [row] = [row for row in report.collections if row.collection == collection]
    return row


def test_small_files_become_few_and_hold_the_same_rows(harness: SyncHarness) -> None:
    before, contents, asked = lake_rows(harness), harness.contents(), requests(harness)
    assert len(files(harness)) == ROUNDS * 4
    report = maintain_sync(harness.connections, SYNC)
    assert report.not_merged is None
    assert report.collections == [
        CollectionMaintenance(name, files=2 * ROUNDS, merged=2 * (ROUNDS - 1), into=2)
        for name in ("charge", "customer")
    ]
    assert len(files(harness)) == 8
    assert lake_rows(harness) == before
    assert harness.contents()["records"] == contents["records"]
    assert requests(harness) == asked
    again = maintain_sync(harness.connections, SYNC)
    assert [(row.files, row.merged) for row in again.collections] == [(4, 0), (4, 0)]


def requests(harness: SyncHarness) -> Any:
    return harness.sandbox.control.stats()["requests"]


def test_a_lake_that_was_merged_makes_the_same_warehouse(
    harness: SyncHarness, postgres_url: str
) -> None:
    customer = harness.stripe.v1.customers.list({"limit": 1}).data[0].id
    for number in range(3):
        harness.stripe.v1.customers.update(customer, {"name": f"name {number}"})
        harness.poll()
    maintain_sync(harness.connections, SYNC)
    with new_database(postgres_url) as url:
        rebuilt = replace(harness, connections=replace(harness.connections, warehouse_url=url))
        for name in plan_reload(rebuilt.connections, SYNC):
            reload_collection(rebuilt.connections, SYNC, name)
        for table in ("records", "events"):
            query = (
                f"SELECT to_jsonb(t) - 'seq' FROM stripe_raw.{table} t"
                " ORDER BY collection_id, upstream_id, seq"
            )
            assert rebuilt.sql(query) == harness.sql(query) != []
        rebuilt.assert_streams_agree()


def test_the_sync_goes_on_after_it(harness: SyncHarness) -> None:
    maintain_sync(harness.connections, SYNC)
    harness.sandbox.control.seed({"customer": 3})
    harness.backfill("customer", "charge")
    harness.stripe.v1.customers.create({"name": "new"})
    harness.poll()
    maintain_sync(harness.connections, SYNC)
    assert_lake_has_stream_once(harness)


def test_a_collection_that_is_being_backfilled_waits_for_the_next_run(harness: SyncHarness) -> None:
    with Warehouse(harness.connections.warehouse_url) as warehouse:
        sync = warehouse.syncs.get(SYNC)
        with warehouse.locks.backfill(sync.id, "stripe:customer"):
            report = maintain_sync(harness.connections, SYNC)
    charge, customer = report.collections
    assert (charge.merged, customer.merged) == (2 * (ROUNDS - 1), 0)
    assert "a backfill or reconcile runs" in (customer.message or "")
    assert len(files(harness)) == 4 + 2 * ROUNDS
    assert done_for(harness, "customer").merged == 2 * (ROUNDS - 1)


def kill_when(harness: SyncHarness, appears: str) -> bool:
    """Begin a maintenance and kill it when a file appears; whether it had not ended by then."""
    lake, root = harness.lake.location  # its glob does not mind what vanishes meanwhile
    work = Work(maintain, harness.connections, SYNC, "")
    while work.process.is_alive() and not lake.glob(f"{root}/{appears}"):
        time.sleep(0.001)
    alive = work.process.is_alive()
    work.kill()
    return alive


def test_killing_it_before_and_between_exchanges_changes_nothing(harness: SyncHarness) -> None:
    before = lake_rows(harness)
    lake = Path(harness.connections.lake_url) / SYNC
    with Warehouse(harness.connections.warehouse_url) as warehouse:
        sync = warehouse.syncs.get(SYNC)
        with warehouse.locks.lake(sync.id):  # merged files are made and have to wait
            assert kill_when(harness, ".staging-*/*/merged-*")
        assert len(files(harness)) == ROUNDS * 4
        assert lake_rows(harness) == before
        with warehouse.locks.load(sync.id, "stripe:customer"):  # charges come before customers
            assert kill_when(harness, ".staging-*/collection=customer/merged-*")
        assert len(files(harness)) == ROUNDS * 2 + 4
        assert lake_rows(harness) == before
    assert Work(maintain, harness.connections, SYNC, "").end() == "done"
    assert len(files(harness)) == 8
    assert lake_rows(harness) == before
    assert any(lake.glob(".staging-*"))
    maintain_sync(harness.connections, SYNC, clock=Later(2))
    assert not any(lake.glob(".staging-*"))
    assert lake_rows(harness) == before


@pytest.mark.parametrize(
    "appears",
    [".staging-*/*", ".staging-*/*/.tmp-*", ".staging-*/*/backfill-*", "records/*/merged-*"],
)
def test_killing_it_anywhere_changes_nothing(harness: SyncHarness, appears: str) -> None:
    before = lake_rows(harness)
    kill_when(harness, appears)
    assert lake_rows(harness) == before
    maintain_sync(harness.connections, SYNC)
    assert len(files(harness)) == 8
    assert lake_rows(harness) == before


def test_beside_followers_and_others_of_its_kind_nothing_is_lost_or_doubled(
    harness: SyncHarness,
) -> None:
    for lock_connection in range(4):
        change(harness, lock_connection * 50, objects=60)
        uses = [follow_stream, maintain, follow_stream, maintain]
        works = [Work(use, harness.connections, SYNC, "") for use in uses]
        assert [work.end() for work in works] == ["done"] * len(uses)
        assert_lake_has_stream_once(harness)


def test_between_the_attempts_of_a_backfill_nothing_is_lost_or_doubled(
    sandbox: Running, warehouse_url: str, tmp_path: Path
) -> None:
    sandbox.control.seed({"customer": 12_000}, spread="random")
    sandbox.control.settings(latency=0.01)
    harness = fast_stand(sandbox, warehouse_url, tmp_path)
    harness.plan("customer")
    for attempt in range(2):
        work = Work(backfill_collection, harness.connections, SYNC, "customer")
        while harness.state("customer")["chunk"] <= attempt:
            assert work.process.is_alive()
            time.sleep(0.01)
        with psycopg.connect(warehouse_url) as connection:
            connection.execute("SELECT FROM stripe_sync.stream_position FOR UPDATE")
            while work.process.is_alive() and not has_uncommitted_file(harness):
                time.sleep(0.01)
            assert work.process.is_alive()  # it waits for the position, its file stands
            work.kill()
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        maintain_sync(harness.connections, SYNC)
    harness.backfill("customer")
    maintain_sync(harness.connections, SYNC)
    assert [len(rows) for rows in lake_rows(harness)] == [12_000, 12_000]
    assert_lake_has_stream_once(harness)


def has_uncommitted_file(harness: SyncHarness) -> bool:
    lake, root = harness.lake.location
    paths = lake.glob(f"{root}/records/collection=customer/backfill-*")
    found = [file_names.parse(path) for path in paths]
    newest = max((file.chunk for file in found if isinstance(file, BackfillFile)), default=0)
    return newest > harness.state("customer")["chunk"]


def test_old_events_leave_the_warehouse_but_not_the_lake(harness: SyncHarness) -> None:
    customers = harness.stripe.v1.customers
    often, once = (customer.id for customer in customers.list({"limit": 2}).data)
    for number in range(3):
        customers.update(often, {"name": f"name {number}"})
        harness.poll()
    before, in_lake = len(harness.events(often)), lake_rows(harness)
    assert done_for(keeping(harness, 30), "customer").events_deleted == 0
    row = done_for(keeping(harness, 30), "customer", clock=Later(31))
    assert row.events_deleted >= before - 1
    assert len(harness.events(often)) == len(harness.events(once)) == 1
    assert harness.events(often)[0]["data"]["name"] == "name 2"
    harness.assert_streams_agree()
    assert lake_rows(harness) == in_lake
    customers.update(often, {"name": "after it"})
    harness.poll()
    assert [event["changes"] for event in harness.events(often)][-1] == {"name": "name 2"}
    harness.assert_streams_agree()


def test_events_that_the_lake_has_not_got_yet_stay(harness: SyncHarness) -> None:
    change(harness, 0, objects=5)
    change(harness, 1, objects=5)
    unsafe = "SELECT count(*) FROM stripe_raw.events WHERE source = 'poll'"
    before = harness.sql(unsafe)
    maintain_sync(keeping(harness, 30).connections, SYNC, clock=Later(31))
    assert harness.sql(unsafe) == before
    follow_stream(harness.connections, SYNC, "")
    in_lake = lake_rows(harness)
    maintain_sync(keeping(harness, 30).connections, SYNC, clock=Later(31))
    assert harness.sql(unsafe) != before
    assert lake_rows(harness) == in_lake


def test_events_that_a_consumer_has_not_read_stay_longer(harness: SyncHarness) -> None:
    url, customers = harness.connections.warehouse_url, harness.stripe.v1.customers
    create_consumer(url, "states", "pull")
    for name, syncs in (("one", []), ("other", [SYNC])):
        filters = {"sync_id": syncs}
        create_consumer(
            *(url, name, "pull"), stream="events", filters=filters, deliver_policy="new"
        )
    [often] = (customer.id for customer in customers.list({"limit": 1}).data)

    def left(days: int) -> int:
        maintain_sync(keeping(harness, 30).connections, SYNC, clock=Later(days))
        return len(harness.events(often))

    def change_thrice() -> None:
        for number in range(3):
            customers.update(often, {"name": f"{number} at {time.monotonic_ns()}"})
            harness.poll()

    change_thrice()
    for name in ("one", "other"):
        assert left(31) == 3
        assert get_consumer(url, name).warning is None
        replay_consumer(url, name, "new")
    assert left(31) == 1
    change_thrice()
    assert left(61) == 1
    assert "were deleted by age" in (get_consumer(url, "one").warning or "")
    assert get_consumer(url, "states").warning is None


def test_without_the_setting_events_stay_for_ever(harness: SyncHarness) -> None:
    before = harness.contents()
    assert done_for(harness, "customer", clock=Later(10_000)).events_deleted == 0
    assert harness.contents()["events"] == before["events"]


def test_stripe_events_past_retention_are_forgotten(harness: SyncHarness) -> None:
    harness.stripe.v1.customers.create({"name": "new"})
    harness.poll()
    processed = "SELECT count(*) FROM stripe_sync.processed_events"
    [(known,)] = harness.sql(processed)
    assert maintain_sync(harness.connections, SYNC, clock=Later(44)).stripe_events_pruned == 0
    report = maintain_sync(harness.connections, SYNC, clock=Later(46))
    assert report.stripe_events_pruned == known > 0
    assert harness.sql(processed) == [(0,)]


def test_syncs_are_found_and_unknown_ones_named(harness: SyncHarness) -> None:
    assert list_syncs(harness.connections.warehouse_url) == [SYNC]
    with pytest.raises(ConfigurationError, match="no sync named 'other'"):
        maintain_sync(harness.connections, "other")
