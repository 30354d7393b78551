"""Each part of the stream is in new files, once, however often it is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from stripe_sync.errors import LakeAhead
from stripe_sync.lake import Lake, LakeReader, Part, atomic_write
from stripe_sync.lake import append as append_module
from stripe_sync.lake.schema import EVENTS, RECORDS, records_table
from stripe_sync.records.changes.diff import Changes, decide
from unit.lake.test_lake import DAY, contents, files, lake, url
from unit.records.changes.observations import NOON, batch, observation

__all__ = ["lake", "url"]

CUSTOMERS = "main/records/collection=customer"
DAY_ONE = "main/events/collection=customer/date=2026-03-01"


def rows(*names: str) -> Changes:
    return decide(batch(*(observation(upstream_id=name) for name in names)), {}, (), NOON)


def append(lake: Lake, first: int, last: int, *names: str) -> None:
    found = rows(*names)
    lake.append_part(Part(first, last), found.records, found.events)


def stored(lake: Lake) -> list[list[str]]:
    """Names in both streams, as they lie there."""
    streams = (lake.record_batches("customer"), lake.event_batches("customer"))
    return [[n for part in parts for n in part["upstream_id"].to_pylist()] for parts in streams]


def test_each_part_is_a_file_of_its_own(lake: Lake, url: str) -> None:
    append(lake, 1, 2, "cus_1", "cus_2")
    append(lake, 3, 9, "cus_3")
    append(lake, 10, 10, "cus_1")
    assert [sorted(names) for names in stored(lake)] == [["cus_1", "cus_1", "cus_2", "cus_3"]] * 2
    names = [f"stream-{first:020d}.parquet" for first in (1, 3, 10)]
    assert files(url) == [f"{folder}/{name}" for folder in (DAY_ONE, CUSTOMERS) for name in names]


@pytest.mark.parametrize(
    "attempts",
    [
        [(2, 3, "cus_2"), (2, 4, "cus_2", "cus_3"), (2, 4, "cus_2", "cus_3")],
        [(2, 4, "cus_2", "cus_3"), (2, 4, "cus_2")],
        [(2, 4, "cus_2", "cus_3"), (2, 4)],
        [(2, 2, "cus_2"), (2, 2, "cus_3"), (2, 2, "cus_2", "cus_3")],
        [(2, 2, "cus_2"), (2, 3, "cus_3"), (2, 5, "cus_2")],
        [(2, 2), (2, 5, "cus_2", "cus_3")],
    ],
)
def test_a_retried_part_adds_what_its_earlier_attempts_lack(
    attempts: list[tuple[Any, ...]], lake: Lake, url: str
) -> None:
    append(lake, 1, 1, "cus_1")
    for first, last, *names in attempts:
        before = contents(url)
        append(lake, first, last, *names)
        assert before.items() <= contents(url).items()
    append(lake, 6, 6, "cus_4")
    assert [sorted(names) for names in stored(lake)] == [["cus_1", "cus_2", "cus_3", "cus_4"]] * 2


def test_a_part_written_to_some_folders_is_completed(lake: Lake) -> None:
    append(lake, 1, 1, "cus_1")
    half = rows("cus_2")
    lake.append_part(Part(2, 2), half.records, [])
    append(lake, 2, 2, "cus_2")
    assert stored(lake) == [["cus_1", "cus_2"]] * 2


def test_each_day_has_files_of_its_own(lake: Lake, url: str) -> None:
    append(lake, 1, 1, "cus_1")
    later = decide(batch(observation(upstream_id="cus_2")), {}, (), NOON + DAY)
    lake.append_part(Part(2, 2), later.records, later.events)
    assert [path for path in files(url) if "/events/" in path] == [
        f"{DAY_ONE}/stream-00000000000000000001.parquet",
        f"{DAY_ONE[:-1]}2/stream-00000000000000000002.parquet",
    ]


@pytest.mark.parametrize("part", [Part(1, 1), Part(5, 5), Part(7, 7), Part(8, 9)])
def test_an_older_part_than_the_lake_has_is_refused(lake: Lake, part: Part) -> None:
    append(lake, 1, 6, "cus_1")
    append(lake, 7, 8, "cus_2")
    late = rows("cus_3")
    with pytest.raises(LakeAhead, match="has stream position 8"):
        lake.append_part(part, late.records, late.events)
    assert stored(lake) == [["cus_1", "cus_2"]] * 2


def test_a_part_completes_a_file_without_a_footer(lake: Lake) -> None:
    for number in (3, 5):
        found = rows(f"cus_{number}")
        lake.write_chunk(f"stream-{number:020d}", found.records, found.events)
    append(lake, 5, 6, "cus_5", "cus_6")
    append(lake, 7, 7, "cus_7")
    assert [sorted(names) for names in stored(lake)] == [["cus_3", "cus_5", "cus_6", "cus_7"]] * 2


def test_a_rebuilt_warehouse_continues_after_the_last_part(lake: Lake) -> None:
    append(lake, 1, 6, "cus_1")
    append(lake, 7, 39, "cus_2")
    append(lake, 7, 40, "cus_2", "cus_3")
    assert LakeReader(lake).watermarks().position == 40


def test_a_reader_sees_whole_parts_and_each_row_once_during_appends(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "main")
    size = 2_500
    parts = [rows(*(f"cus_{part:03d}_{n:05d}" for n in range(size))) for part in range(20)]
    everything = [record.upstream_id for part in parts for record in part.records]
    done = threading.Event()

    def write() -> None:
        try:
            for number, part in enumerate(parts, start=1):
                lake.append_part(Part(number, number), part.records, part.events)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    counts = set()
    finished = False
    while not finished:
        finished = done.is_set()
        for shape in (RECORDS, EVENTS):
            names = read(tmp_path / "main" / ("records" if shape is RECORDS else "events"), shape)
            assert names == everything[: len(names)]
            assert len(names) % size == 0
            counts.add(len(names))
    writer.join()
    assert len(names) == len(everything)
    assert len(counts) > 2


def read(folder: Path, shape: pa.Schema) -> list[str]:
    """Names in a stream as any reader of Hive partitions finds them, in their order."""
    if not folder.exists():
        return []
    table = ds.dataset(folder, shape, partitioning="hive").to_table(["upstream_id"])
    return sorted(table["upstream_id"].to_pylist())


class Bucket(MemoryFileSystem):
    """An object store: an upload is visible when it is complete, nothing can be renamed."""

    protocol = "s3"
    store: ClassVar[dict[str, object]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def mv(self, *_: object, **__: object) -> None:
        raise NotImplementedError

    def open(self, path: str, mode: str = "rb", **kwargs: object) -> object:
        # Data written through an open file is visible before it is complete.
        assert mode == "rb" or "data" in kwargs
        return super().open(path, mode, **kwargs)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    bucket = Bucket()
    yield bucket
    bucket.store.clear()


def test_an_object_store_gets_each_file_in_one_upload(bucket: Bucket) -> None:
    path, table = "/lake/file.parquet", pa.table({"n": [1, 2]})
    atomic_write.create(bucket, path, table)
    version = atomic_write.version_of(bucket, path)
    atomic_write.replace(bucket, path, table.slice(1), version)
    assert bucket.find("/lake") == [path]
    assert pq.read_table(pa.BufferReader(bucket.cat_file(path))) == table.slice(1)


class SlowDisk(LocalFileSystem):
    """A disk on which something happens after a folder was listed."""

    cachable = False

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def glob(self, *args: Any, **options: Any) -> list[str]:
        found: list[str] = super().glob(*args, **options)
        self.meanwhile()
        return found


class SlowBucket(Bucket):
    """An object store with the same."""

    cachable = False

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def glob(self, *args: Any, **options: Any) -> list[str]:
        found: list[str] = super().glob(*args, **options)
        self.meanwhile()
        return found


@pytest.mark.parametrize("store", [SlowDisk, SlowBucket])
@pytest.mark.parametrize("begun", [[], ["cus_2"]])
def test_a_follower_that_fell_behind_writes_nothing(
    begun: list[str], store: type[SlowDisk | SlowBucket], tmp_path: Path
) -> None:
    """Its lock was lost after it had listed the files, and the next follower took over."""
    folder = str(tmp_path)

    def append_to(files: AbstractFileSystem, first: int, last: int, *names: str) -> None:
        table = records_table(rows(*names).records)
        append_module.append(files, folder, Part(first, last), table)

    def take_over() -> None:
        append_to(next_follower, 2, 4, "cus_2", "cus_3", "cus_4")
        append_to(next_follower, 5, 5, "cus_5")

    next_follower = store(lambda: None)
    append_to(next_follower, 1, 1, "cus_1")
    append_to(next_follower, 2, 2, *begun)
    with pytest.raises(FileExistsError, match="exists already, and is not replaced"):
        append_to(store(take_over), 2, 3, "cus_2", "cus_3")
    names = []
    for path in next_follower.find(folder):
        table = pq.read_table(pa.BufferReader(next_follower.cat_file(path)))
        names += table["upstream_id"].to_pylist()
        next_follower.rm_file(path)
    assert sorted(names) == ["cus_1", "cus_2", "cus_3", "cus_4", "cus_5"]
