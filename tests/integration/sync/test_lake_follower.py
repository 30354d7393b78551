"""What changes in the stream is in the lake once, whoever is killed on the way there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from databases import new_database
from integration.sync.sync_processes import Work, follow_stream
from stand import SYNC, Stand
from stripe_sync.lake import Lake
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.model import Batch, Source
from unit.warehouse.observations import seen

COLLECTIONS = [f"stripe:{name}" for name in ("customer", "charge", "invoice", "refund", "payout")]


@pytest.fixture
def stand(stand: Stand) -> Stand:
    """A sync that was opened once."""
    stand.plan("customer")
    return stand


def change(stand: Stand, moment: int, objects: int = 200) -> None:
    """Write changes of some objects of each collection to the stream, as a poller does."""
    with Warehouse(stand.connections.warehouse_url) as warehouse:
        sync = warehouse.get_sync(SYNC)
        observations = [
            seen({"n": moment}, when=moment, upstream_id=f"id_{number}", collection_id=name)
            for number in range(moment, moment + objects)
            for name in COLLECTIONS
        ]
        with warehouse.loader() as loader:
            loader.load(Batch(sync.id, sync.resource_id, Source.POLL, observations))


def begin(stand: Stand) -> Work:
    return Work(follow_stream, stand.connections, SYNC, "")


def versions(lake: Lake) -> list[tuple[str, int]]:
    """Each state of a record that lies in the lake, as often as it does."""
    return [
        version
        for part in lake.record_batches()
        for version in zip(part["id"].to_pylist(), part["updated_idx"].to_pylist(), strict=True)
    ]


def assert_lake_has_stream_once(stand: Stand) -> None:
    in_stream = [row[0] for row in stand.sql("SELECT id::text FROM stripe_raw.events")]
    in_lake = [name for part in stand.lake.event_batches() for name in part["id"].to_pylist()]
    assert sorted(in_lake) == sorted(in_stream)
    found = versions(stand.lake)
    assert len(set(found)) == len(found)
    current = stand.sql("SELECT id::text, updated_idx FROM stripe_raw.records")
    assert set(current) <= set(found)


def after_a_file(stand: Stand) -> Callable[[], bool]:
    """The next file stands or has grown, the position probably not."""
    begun = _files(stand)
    return lambda: _files(stand) != begun


def _files(stand: Stand) -> set[tuple[Path, int]]:
    folder = Path(stand.connections.lake_url)
    return {(path, path.stat().st_mtime_ns) for path in folder.rglob("*.parquet")}


def after_half_a_file(stand: Stand) -> Callable[[], bool]:
    """A file is being written."""
    folder = Path(stand.connections.lake_url)
    begun = set(folder.rglob(".tmp-*"))
    return lambda: bool(set(folder.rglob(".tmp-*")) - begun)


def after_several_files(stand: Stand) -> Callable[[], bool]:
    """Some of the files of a part stand."""
    begun = _files(stand)
    return lambda: len(_files(stand) - begun) >= len(COLLECTIONS)


def after_all_files(stand: Stand) -> Callable[[], bool]:
    """All files of a part stand; the position is moving on, or has."""
    begun = _files(stand)
    return lambda: len(_files(stand) - begun) >= 2 * len(COLLECTIONS)


POINTS = [after_a_file, after_half_a_file, after_several_files, after_all_files]


def test_killing_it_at_twelve_points_loses_and_doubles_nothing(stand: Stand) -> None:
    for turn in range(12):
        change(stand, turn * 50)
        happened = POINTS[turn % len(POINTS)](stand)
        work = begin(stand)
        while work.process.is_alive() and not happened():
            time.sleep(0.001)
        work.kill()
        if turn % 4 == 3:  # what was left undone comes together with what came meanwhile
            assert begin(stand).end() == "done"
            assert_lake_has_stream_once(stand)
    assert len(_files(stand)) == len(COLLECTIONS) * 2


def test_files_whose_position_was_never_noted_are_made_good(stand: Stand) -> None:
    for turn in range(3):
        change(stand, turn * 50)
        happened = after_all_files(stand)
        with psycopg.connect(stand.connections.warehouse_url) as connection:
            connection.execute("SELECT FROM stripe_sync.lake_position FOR UPDATE")
            work = begin(stand)
            while work.process.is_alive() and not happened():
                time.sleep(0.001)
            assert work.process.is_alive()  # it waits for the row, its files all stand
            work.kill()
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        change(stand, turn * 50 + 25)
        assert begin(stand).end() == "done"
        assert_lake_has_stream_once(stand)


def test_several_at_once_take_turns(stand: Stand) -> None:
    for turn in range(3):
        change(stand, turn * 100)
        works = [begin(stand) for _ in range(3)]
        assert [work.end() for work in works] == ["done"] * 3
        assert_lake_has_stream_once(stand)


def test_many_flushes_make_one_file_for_a_collection(stand: Stand) -> None:
    for turn in range(5):
        change(stand, turn, objects=3)
        follow_stream(stand.connections, SYNC, "")
    assert_lake_has_stream_once(stand)
    assert len(_files(stand)) == len(COLLECTIONS) * 2


def test_a_warehouse_from_a_backup_writes_what_the_lake_lacks(
    stand: Stand, postgres_url: str
) -> None:
    customers = stand.stripe.v1.customers
    customer = customers.create({"name": "as it was"}).id
    stand.poll()
    with new_database(postgres_url, like=stand.connections.warehouse_url) as url:
        older = replace(stand, connections=replace(stand.connections, warehouse_url=url))
        for number in range(2):
            customers.update(customer, {"name": f"name {number}"})
            stand.poll()
        for number in range(2):
            customers.update(customer, {"name": f"new name {number}"})
            older.poll()
            assert_lake_has_stream_once(older)
        older.assert_streams_agree()
        assert older.record(customer)["payload"]["name"] == "new name 1"
