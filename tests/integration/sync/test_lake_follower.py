"""What changes in the stream is in the lake once, whoever is killed on the way there."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import psycopg
import pytest

from databases import new_database
from integration.sync.sync_processes import Work, follow_stream
from stripe_sync import SyncSettings, plan_backfill
from stripe_sync.clock import SystemClock
from stripe_sync.lake import Lake
from stripe_sync.records import Batch, Source
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.session import open_session, open_shared_resources
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness
from unit.records.changes.observations import observation

KILLS = int(os.environ.get("STRIPE_SYNC_TEST_KILLS", "4"))
"""One at each of the points; `make soak` has more."""

COLLECTIONS = [f"stripe:{name}" for name in ("customer", "charge", "invoice", "refund", "payout")]


@pytest.fixture
def harness(harness: SyncHarness) -> SyncHarness:
    """A sync that was opened once."""
    harness.plan("customer")
    return harness


def change(harness: SyncHarness, moment: int, objects: int = 200, sync: str = SYNC) -> None:
    """Write changes of some objects of each collection to the stream, as a poller does."""
    with Warehouse(harness.connections.warehouse_url) as warehouse:
        stored = warehouse.syncs.get(sync)
        observations = [
            observation({"n": moment}, when=moment, upstream_id=f"id_{number}", collection_id=name)
            for number in range(moment, moment + objects)
            for name in COLLECTIONS
        ]
        with warehouse.writer() as writer:
            writer.load(Batch(stored.id, stored.resource_id, Source.POLL, observations))


def begin(harness: SyncHarness) -> Work:
    return Work(follow_stream, harness.connections, SYNC, "")


def versions(lake: Lake) -> list[tuple[str, int]]:
    """Each state of a record that lies in the lake, as often as it does."""
    return [
        version
        for part in lake.record_batches()
        for version in zip(part["id"].to_pylist(), part["updated_idx"].to_pylist(), strict=True)
    ]


def assert_lake_has_stream_once(harness: SyncHarness) -> None:
    in_stream = [row[0] for row in harness.sql("SELECT id::text FROM stripe_raw.events")]
    in_lake = [name for part in harness.lake.event_batches() for name in part["id"].to_pylist()]
    assert sorted(in_lake) == sorted(in_stream)
    found = versions(harness.lake)
    assert len(set(found)) == len(found)
    current = harness.sql("SELECT id::text, updated_idx FROM stripe_raw.records")
    assert set(current) <= set(found)


def after_a_file(harness: SyncHarness) -> Callable[[], bool]:
    """The next file stands or has grown, the position probably not."""
    begun = _files(harness)
    return lambda: _files(harness) != begun


def _files(harness: SyncHarness) -> set[tuple[Path, int]]:
    folder = Path(harness.connections.lake_url)
    return {(path, path.stat().st_mtime_ns) for path in folder.rglob("*.parquet")}


def after_half_a_file(harness: SyncHarness) -> Callable[[], bool]:
    """A file is being written."""
    folder = Path(harness.connections.lake_url)
    begun = set(folder.rglob(".tmp-*"))
    return lambda: bool(set(folder.rglob(".tmp-*")) - begun)


def after_several_files(harness: SyncHarness) -> Callable[[], bool]:
    """Some of the files of a part stand."""
    begun = _files(harness)
    return lambda: len(_files(harness) - begun) >= len(COLLECTIONS)


def after_all_files(harness: SyncHarness) -> Callable[[], bool]:
    """All files of a part stand; the position is moving on, or has."""
    begun = _files(harness)
    return lambda: len(_files(harness) - begun) >= 2 * len(COLLECTIONS)


POINTS = [after_a_file, after_half_a_file, after_several_files, after_all_files]


def test_killing_it_at_any_point_loses_and_doubles_nothing(harness: SyncHarness) -> None:
    files: set[tuple[Path, int]] = set()
    for kill in range(KILLS):
        change(harness, kill * 50)
        happened = POINTS[kill % len(POINTS)](harness)
        work = begin(harness)
        while work.process.is_alive() and not happened():
            time.sleep(0.001)
        work.kill()
        # What was left undone comes together with what came meanwhile
        if kill % 4 == 3 or kill == KILLS - 1:
            assert begin(harness).end() == "done"
            assert_lake_has_stream_once(harness)
        assert files <= (files := _files(harness))  # a visible file never changes


def test_files_whose_position_was_never_noted_are_made_good(harness: SyncHarness) -> None:
    for lock_connection in range(3):
        change(harness, lock_connection * 50)
        happened = after_all_files(harness)
        with psycopg.connect(harness.connections.warehouse_url) as connection:
            connection.execute("SELECT FROM stripe_sync.lake_position FOR UPDATE")
            work = begin(harness)
            while work.process.is_alive() and not happened():
                time.sleep(0.001)
            assert work.process.is_alive()  # it waits for the row, its files all stand
            work.kill()
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        change(harness, lock_connection * 50 + 25)
        assert begin(harness).end() == "done"
        assert_lake_has_stream_once(harness)


def test_several_at_once_take_turns(harness: SyncHarness) -> None:
    for lock_connection in range(3):
        change(harness, lock_connection * 100)
        works = [begin(harness) for _ in range(3)]
        assert [work.end() for work in works] == ["done"] * 3
        assert_lake_has_stream_once(harness)


def test_a_flush_adds_a_file_for_each_collection_and_changes_none(harness: SyncHarness) -> None:
    files: set[tuple[Path, int]] = set()
    for number in range(1, 4):
        change(harness, number, objects=3)
        follow_stream(harness.connections, SYNC, "")
        assert files < (files := _files(harness))
        assert len(files) == len(COLLECTIONS) * 2 * number
    assert_lake_has_stream_once(harness)


@pytest.mark.parametrize(
    ("seconds", "oldest", "written"),
    [(0.5, 0, True), (300, 0, True), (900, 0, False), (900, 550, False), (900, 650, True)],
)
def test_the_end_of_a_run_leaves_to_the_next_what_has_time(
    harness: SyncHarness, seconds: float, oldest: int, written: bool
) -> None:
    change(harness, 1, objects=2)
    aged = f"UPDATE stripe_raw.events SET created_at = now() - interval '{oldest} s'"
    harness.sql(f"{aged} WHERE upstream_id = 'id_1' RETURNING seq")
    settings = SyncSettings(lake_flush_seconds=seconds)
    connections = replace(harness.connections, settings=settings)

    async def run() -> int:
        async with open_session(connections, SYNC) as session:
            return LakeFollower(session).flush_if_due()

    assert asyncio.run(run()) == (2 * len(COLLECTIONS) if written else 0)
    assert bool(_files(harness)) is written


def test_a_warehouse_from_a_backup_writes_what_the_lake_lacks(
    harness: SyncHarness, postgres_url: str
) -> None:
    customers = harness.stripe.v1.customers
    customer = customers.create({"name": "as it was"}).id
    harness.poll()
    with new_database(postgres_url, like=harness.connections.warehouse_url) as url:
        older = replace(harness, connections=replace(harness.connections, warehouse_url=url))
        for number in range(2):
            customers.update(customer, {"name": f"name {number}"})
            harness.poll()
        [(position,)] = older.sql("SELECT seq FROM stripe_sync.lake_position")
        customers.update(customer, {"name": "new name 0"})
        older.poll()
        assert_lake_has_stream_once(older)
        # As if it had died after it wrote the records, before it wrote their change events.
        files = Path(harness.connections.lake_url).rglob("events/*/*/stream-*")
        max(files, key=lambda path: path.stat().st_mtime_ns).unlink()
        older.sql("UPDATE stripe_sync.lake_position SET seq = %s RETURNING seq", position)
        older.poll()
        assert_lake_has_stream_once(older)
        customers.update(customer, {"name": "new name 1"})
        older.poll()
        assert_lake_has_stream_once(older)
        older.assert_streams_agree()
        assert older.record(customer)["payload"]["name"] == "new name 1"


def test_more_syncs_than_the_pool_has_connections_flush_at_a_time(harness: SyncHarness) -> None:
    """A flush that took a second connection would wait for those of the others for ever."""
    names = [f"sync{number}" for number in range(12)]
    for name in names:
        plan_backfill(harness.connections, name, ["customer"])
    together, written = Barrier(len(names)), list[int]()

    def flush(follower: LakeFollower) -> None:
        together.wait()
        written.append(follower.flush())

    async def run() -> None:
        async with AsyncExitStack() as stack:
            url = harness.connections.warehouse_url
            shared = await stack.enter_async_context(open_shared_resources(url, SystemClock()))
            threads = []
            for name in names:
                change(harness, 1, objects=1, sync=name)
                opening = open_session(harness.connections, name, common=shared)
                follower = LakeFollower(await stack.enter_async_context(opening))
                threads.append(Thread(target=flush, args=[follower], daemon=True))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=30)

    asyncio.run(run())
    assert written == [len(COLLECTIONS)] * len(names)
