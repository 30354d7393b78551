"""Small files become few without any reader seeing half of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import fsspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem

from stripe_sync.errors import LakeError
from stripe_sync.lake import BackfillFile, Compactor, Lake, LakeReader, Part, remove_leftovers
from stripe_sync.lake.compaction import Prepared
from stripe_sync.lake.schema import EVENTS, RECORDS
from stripe_sync.records.changes.diff import Changes, decide
from unit.records.changes.observations import NOON, batch, observation

DAY = timedelta(days=1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path), "main")


def rows(*names: str, now: datetime = NOON) -> Changes:
    return decide(batch(*(observation(upstream_id=name) for name in names)), {}, (), now)


def chunk(lake: Lake, number: int, *names: str, now: datetime = NOON, of: str = "x") -> None:
    found = rows(*names, now=now)
    lake.write_chunk(chunk_name(number, of), found.records, found.events)


def chunk_name(number: int, of: str = "x") -> str:
    return BackfillFile(of, 1, number, "0123abcd").name


def chunk_file(number: int, of: str = "x") -> str:
    return f"{chunk_name(number, of)}.parquet"


def write_again(lake: Lake, number: int, *names: str) -> None:
    """What a writer does that retries its chunk."""
    lake.discard("customer", chunk_name(number))
    chunk(lake, number, *names)


def compact(lake: Lake, collection: str = "customer") -> list[Prepared]:
    compactor = Compactor(lake)
    assert compactor.why_unsupported() is None
    done = [p for folder in compactor.folders(collection) if (p := compactor.prepare(folder))]
    assert all(prepared.install() for prepared in done)
    return done


def names_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.parquet"))


def read(root: Path, shape: pa.Schema) -> list[str]:
    """Names in a stream as any reader of Hive partitions finds them, in their order."""
    folder = root / "main" / ("records" if shape is RECORDS else "events")
    table = ds.dataset(folder, shape, partitioning="hive").to_table(["upstream_id"])
    return sorted(table["upstream_id"].to_pylist())


def test_small_files_are_merged_except_the_newest(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 6):
        chunk(lake, number, f"cus_{number}", f"cus_{number}b")
    before = [read(tmp_path, shape) for shape in (RECORDS, EVENTS)]
    assert [(len(done.sources), done.merged_count) for done in compact(lake)] == [(4, 1), (4, 1)]
    assert [read(tmp_path, shape) for shape in (RECORDS, EVENTS)] == before
    left = [chunk_file(5), "merged-000001.parquet"]
    folder = tmp_path / "main" / "records" / "collection=customer"
    assert names_of(folder) == left
    assert names_of(tmp_path / "main/events/collection=customer/date=2026-03-01") == left
    assert pq.ParquetFile(folder / left[1]).schema_arrow.equals(RECORDS)


def test_merged_files_are_merged_again_under_a_new_name(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 4):
        chunk(lake, number, f"cus_{number}")
    compact(lake)
    for number in range(4, 6):
        chunk(lake, number, f"cus_{number}")
    compact(lake)
    folder = tmp_path / "main" / "records" / "collection=customer"
    assert names_of(folder) == [chunk_file(5), "merged-000002.parquet"]
    assert compact(lake) == []
    assert read(tmp_path, RECORDS) == [f"cus_{number}" for number in range(1, 6)]


def test_the_newest_file_of_each_writer_is_not_merged(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 4):
        chunk(lake, number, f"cus_{number}")
        chunk(lake, number, f"cus_{number}y", of="y.z_a")
    found = rows("cus_8")
    lake.append_part(Part(1, 1), found.records, found.events)
    compact(lake)
    assert names_of(tmp_path / "main" / "records" / "collection=customer") == [
        chunk_file(3),
        chunk_file(3, "y.z_a"),
        "merged-000001.parquet",
        "stream-00000000000000000001.parquet",
    ]
    more = rows("cus_9")
    lake.append_part(Part(2, 2), more.records, more.events)
    assert read(tmp_path, EVENTS) == sorted(
        [f"cus_{n}{y}" for n in (1, 2, 3) for y in ("", "y")] + ["cus_8", "cus_9"]
    )


def test_the_files_of_the_last_part_are_not_merged(lake: Lake, tmp_path: Path) -> None:
    """A process that died before it stored the position writes what they lack."""
    for part, *names in (
        (Part(1, 1), "a"),
        (Part(2, 2), "b"),
        (Part(3, 3), "c"),
        (Part(3, 4), "d"),
    ):
        found = rows(*names)
        lake.append_part(part, found.records, found.events)
    compact(lake)
    assert names_of(tmp_path / "main" / "records" / "collection=customer") == [
        "merged-000001.parquet",
        "stream-00000000000000000003-2.parquet",
        "stream-00000000000000000003.parquet",
    ]
    found = rows("c", "d", "e")
    lake.append_part(Part(3, 5), found.records, found.events)
    assert read(tmp_path, RECORDS) == read(tmp_path, EVENTS) == ["a", "b", "c", "d", "e"]


def test_large_files_and_foreign_files_are_not_merged(lake: Lake, tmp_path: Path) -> None:
    chunk(lake, 1, *(f"cus_{number}" for number in range(10_000)))
    for number in range(2, 5):
        chunk(lake, number, f"cus_new_{number}")
    folder = tmp_path / "main" / "records" / "collection=customer"
    (folder / chunk_file(2)).rename(folder / "of-somebody.parquet")
    (folder / chunk_file(3)).rename(folder / "else.parquet")
    [events] = compact(lake)
    assert events.folder.name == "date=2026-03-01"
    assert len(names_of(folder)) == 4


def test_a_merged_file_does_not_grow_beyond_a_full_one(lake: Lake, tmp_path: Path) -> None:
    for number in range(5):
        chunk(lake, number, *(f"cus_{number}_{n}" for n in range(9_000)))
    done = compact(lake)
    assert [(len(each.sources), each.merged_count) for each in done] == [(4, 2), (4, 2)]
    sizes = [pq.read_metadata(path).num_rows for path in tmp_path.rglob("merged-*.parquet")]
    assert len(read(tmp_path, EVENTS)) == 45_000
    assert set(sizes) == {18_000}


def test_files_of_different_schemas_are_not_merged(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 6):
        chunk(lake, number, f"cus_{number}")
    folder = tmp_path / "main" / "records" / "collection=customer"
    for name in names_of(folder)[:2]:
        table = pq.ParquetFile(folder / name).read().drop_columns(["parent_id"])
        pq.write_table(table, folder / name)
    compact(lake)
    assert len(names_of(folder)) == 3
    assert read(tmp_path, RECORDS) == [f"cus_{number}" for number in range(1, 6)]


def test_merged_events_are_read_in_the_order_of_created_at(lake: Lake) -> None:
    for number in range(1, 7):  # the later the chunk, the earlier its events
        chunk(lake, number, "cus_1", f"cus_{number}", now=NOON - timedelta(minutes=number))
    before = list(LakeReader(lake).events("customer"))
    compact(lake)
    after = list(LakeReader(lake).events("customer"))
    assert after == before
    assert [event.created_at for event in after] == sorted(e.created_at for e in before)


def test_compaction_keeps_the_watermarks(lake: Lake) -> None:
    for number in range(1, 4):
        chunk(lake, number, f"cus_{number}", of="customer")
        found = rows(f"cus_s{number}")
        lake.write_chunk(f"stream-{number:020d}", found.records, found.events)
    before = LakeReader(lake).watermarks()
    compact(lake)
    assert LakeReader(lake).watermarks() == before
    assert (before.generations, before.position) == ({"customer": 1}, 3)


def test_files_that_changed_meanwhile_are_not_replaced(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 5):
        chunk(lake, number, f"cus_{number}")
    compactor = Compactor(lake)
    folder = tmp_path / "main" / "records" / "collection=customer"
    first, second = compactor.prepare(folder), compactor.prepare(folder)
    assert first is not None
    assert second is not None
    write_again(lake, 2, "cus_2", "cus_2b")
    assert not first.install()
    first.discard()
    again = compactor.prepare(folder)
    assert again is not None
    assert again.install()
    assert not second.install()
    second.discard()
    assert read(tmp_path, RECORDS) == ["cus_1", "cus_2", "cus_2b", "cus_3", "cus_4"]


def test_the_old_folder_stays_for_readers_that_are_listing_it(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 5):
        chunk(lake, number, f"cus_{number}")
    folder = tmp_path / "main" / "records" / "collection=customer"
    old = names_of(folder)
    prepared = Compactor(lake).prepare(folder)
    assert prepared is not None
    prepared.install()
    prepared.discard()
    assert [names_of(kept) for kept in (tmp_path / "main").glob(".staging-*/*")] == [old]


def test_files_written_meanwhile_are_kept(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 4):
        chunk(lake, number, f"cus_{number}")
    folder = tmp_path / "main" / "records" / "collection=customer"
    prepared = Compactor(lake).prepare(folder)
    assert prepared is not None
    write_again(lake, 3, "cus_3", "cus_3b")
    chunk(lake, 4, "cus_4")
    assert prepared.install()
    assert read(tmp_path, RECORDS) == ["cus_1", "cus_2", "cus_3", "cus_3b", "cus_4"]


def test_a_reader_that_listed_merged_files_gets_not_found(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 5):
        chunk(lake, number, f"cus_{number}")
    listed = ds.dataset(tmp_path / "main" / "records", RECORDS, partitioning="hive")
    compact(lake)
    with pytest.raises(FileNotFoundError):
        listed.to_table()
    assert read(tmp_path, RECORDS) == ["cus_1", "cus_2", "cus_3", "cus_4"]


class Busy(LocalFileSystem):
    """A disk on which files are merged after a folder was listed."""

    protocol = "busy"
    cachable = False
    merge: ClassVar[Callable[[], object]]

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return LocalFileSystem._strip_protocol(str(path).removeprefix("busy://"))

    def find(self, *args: Any, **options: Any) -> Any:
        found = super().find(*args, **options)
        self.merge()
        return found


def test_data_frames_are_read_again_where_files_were_merged(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 5):
        chunk(lake, number, f"cus_{number}")
    fsspec.register_implementation("busy", Busy, clobber=True)
    Busy.merge = lambda *_: compact(lake)
    busy = Lake(f"busy://{tmp_path}", "main")
    with pytest.raises(LakeError, match="cannot read the lake"):
        list(busy.record_batches())
    for number in range(5, 8):
        chunk(lake, number, f"cus_{number}")
    assert sorted(busy.records()["upstream_id"]) == [f"cus_{number}" for number in range(1, 8)]
    for number in range(8, 11):
        chunk(lake, number, f"cus_{number}")
    assert len(busy.events()) == 10


def test_a_listing_has_all_old_files_or_all_new_ones(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 202):
        found = rows(f"cus_{number}")
        lake.write_chunk(chunk_name(number), found.records, [])
    folder = tmp_path / "main" / "records" / "collection=customer"
    prepared = Compactor(lake).prepare(folder)
    assert prepared is not None
    listed = [os.listdir(folder)]  # noqa: PTH208 - the bare call, in a tight loop
    begun, done = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.is_set():
            listed.append(os.listdir(folder))  # noqa: PTH208
            begun.set()

    watching = threading.Thread(target=watch)
    watching.start()
    begun.wait()
    assert prepared.install()
    listed.append(os.listdir(folder))  # noqa: PTH208
    done.set()
    watching.join()
    assert {len(names) for names in listed} == {201, 2}


def test_a_reader_sees_every_row_once_during_compaction(lake: Lake, tmp_path: Path) -> None:
    days = [NOON + number * DAY for number in range(12)]
    for day in days:
        for number in range(8):
            name = f"cus_{day:%d}_{number}"
            chunk(lake, 100 * day.day + number, name, f"{name}b", now=day)
    everything = [read(tmp_path, shape) for shape in (RECORDS, EVENTS)]
    done = threading.Event()

    def merge() -> None:
        try:
            compact(lake)
        finally:
            done.set()

    merging = threading.Thread(target=merge)
    merging.start()
    whole = gone = 0
    finished = False
    while not finished:
        finished = done.is_set()
        for shape, expected in zip((RECORDS, EVENTS), everything, strict=True):
            try:
                assert read(tmp_path, shape) == expected
                whole += 1
            except FileNotFoundError:
                gone += 1
    merging.join()
    assert whole >= 2
    assert len(list(tmp_path.glob("main/events/*/*/merged-*"))) == len(days)


@pytest.fixture
def elsewhere() -> str:
    return f"memory://lake-{uuid4().hex}"


def test_compaction_is_unsupported_on_an_object_store(elsewhere: str) -> None:
    lake = Lake(elsewhere, "main")
    chunk(lake, 1, "cus_1")
    assert "object store" in (Compactor(lake).why_unsupported() or "")


def test_compaction_is_unsupported_on_a_disk_without_links() -> None:
    # procfs stands for any disk that has neither links nor an exchange of folders.
    assert "cannot exchange folders" in (Compactor(Lake("/proc", "main")).why_unsupported() or "")


def test_leftovers_are_removed_after_their_time(lake: Lake, tmp_path: Path) -> None:
    for number in range(1, 4):
        chunk(lake, number, f"cus_{number}")
    folder = tmp_path / "main" / "records" / "collection=customer"
    compact(lake)
    for name in (".tmp-old", ".tmp-new"):
        (folder / name).write_bytes(b"PAR1 half a file")
    os.utime(folder / ".tmp-old", (0, 0))
    staging = sorted((tmp_path / "main").glob(".staging-*"))
    assert len(staging) == 2
    os.utime(staging[0], (0, 0))
    assert remove_leftovers(lake, datetime.now(UTC) - DAY) == 2
    assert not (folder / ".tmp-old").exists()
    assert (folder / ".tmp-new").exists()
    assert sorted((tmp_path / "main").glob(".staging-*")) == staging[1:]
    assert read(tmp_path, RECORDS) == ["cus_1", "cus_2", "cus_3"]


def test_leftovers_are_removed_from_an_object_store(elsewhere: str) -> None:
    lake = Lake(elsewhere, "main")
    chunk(lake, 1, "cus_1")
    files, root = lake.location
    files.pipe_file(f"{root}/records/collection=customer/.tmp-1", b"half")
    assert remove_leftovers(lake, datetime.now(UTC) - DAY) == 0
    assert remove_leftovers(lake, datetime.now(UTC) + DAY) == 1
    assert len(files.find(root)) == 2
