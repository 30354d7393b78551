"""Programs of other people that read the lake, in a loop beside everything that writes to it."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import datafusion
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

from stripe_sync.lake import BackfillFile, Compactor, Lake, Part
from stripe_sync.records import RecordRow
from stripe_sync.records.changes.diff import decide
from unit.records.changes.observations import NOON, batch, observation

COLUMNS = ["id", "updated_idx", "payload"]
COLLECTIONS = ("customer", "invoice")
SYNC = "default"

_FILE_IS_GONE = re.compile("no such file|FileNotFound", re.IGNORECASE)

Reader = Callable[[Path], pa.Table]
"""Reads ``COLUMNS`` of all records below a folder, by the pattern of ``docs/lake.md``."""


def _duckdb(folder: Path) -> pa.Table:
    names = ", ".join(COLUMNS)
    with duckdb.connect() as connection:
        query = f"select {names} from read_parquet('{folder}/**/*.parquet', hive_partitioning=true)"
        return connection.sql(query).to_arrow_table()


def _polars(folder: Path) -> pa.Table:
    files = pl.scan_parquet(f"{folder}/**/*.parquet", hive_partitioning=True)
    return files.select(COLUMNS).collect().to_arrow()


def _pandas(folder: Path) -> pa.Table:
    return pa.Table.from_pandas(pd.read_parquet(folder)[COLUMNS])


def _pyarrow(folder: Path) -> pa.Table:
    return ds.dataset(folder, partitioning="hive").to_table(COLUMNS)


def _datafusion(folder: Path) -> pa.Table:
    files = datafusion.SessionContext().read_parquet(str(folder))
    return files.select(*COLUMNS).to_arrow_table()


def _spark(folder: Path) -> pa.Table:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").getOrCreate()
    return spark.read.parquet(str(folder)).select(*COLUMNS).toArrow()


READERS: dict[str, Reader] = {
    "DuckDB": _duckdb,
    "polars": _polars,
    "pandas": _pandas,
    "pyarrow": _pyarrow,
    "DataFusion": _datafusion,
}
HAS_SPARK = importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None
"""Whether this machine has Spark: 480 MB and Java, so it is no requirement."""

EVERY_READER = READERS | ({"Spark": _spark} if HAS_SPARK else {})


@dataclass
class Reads:
    """What one reader met.

    Attributes:
        right: Reads with the right rows.
        stale: Reads that listed a file which was merged before they opened it; each was repeated.
    """

    right: int = 0
    stale: int = 0


@dataclass
class ReaderTest:
    """Readers in a loop beside flushes, backfills and merges.

    Args:
        folder: An empty folder for the lake.
        readers: The programs, by name.
        rows: Rows in a flush, for each collection.

    Attributes:
        reads: What they met, by name.
    """

    folder: Path
    readers: Mapping[str, Reader] = field(default_factory=lambda: READERS)
    rows: int = 20

    def __post_init__(self) -> None:
        self.reads = {name: Reads() for name in self.readers}
        self._lake = Lake(str(self.folder), SYNC)
        self._records = self.folder / SYNC / "records"
        self._states: dict[tuple[str, str], RecordRow] = {}
        self._begun = self._written = 0
        self._merges_begun = self._merges_done = 0
        self._read_once = threading.Semaphore(0)
        self._done = threading.Event()

    def run(self, steps: Iterator[int]) -> None:
        """Write, one step after the other, while all readers read.

        Each step waits for a read to end, so that reads lie between all of them.

        Args:
            steps: Numbers of the steps, from 1.

        Raises:
            AssertionError: A read was not right.
            Exception: A read failed.
        """
        self._write(0)
        with ThreadPoolExecutor(len(self.readers)) as threads:
            reading = [threads.submit(self._read, *each) for each in self.readers.items()]
            try:
                self._await_read(reading, lambda: all(each.right for each in self.reads.values()))
                for step in steps:
                    self._write(step)
                    self._await_read(reading)
            finally:
                self._done.set()
        for each in reading:
            each.result()

    def _await_read(
        self, reading: list[Future[None]], enough: Callable[[], bool] = lambda: True
    ) -> None:
        """Wait until a read ends and there are enough, or a reader fails."""
        while not (self._read_once.acquire(timeout=1) and enough()):
            if any(each.done() for each in reading):
                return

    def _write(self, step: int) -> None:
        """A flush; every third one a backfill instead; every fifth one a merge as well."""
        found = decide(
            batch(
                *(
                    observation(
                        {"created": step, "n": step},
                        when=step,
                        upstream_id=f"id_{number}",
                        collection_id=f"stripe:{collection}",
                    )
                    # Half of them are new, half are known.
                    for number in range(step * self.rows // 2, step * self.rows // 2 + self.rows)
                    for collection in COLLECTIONS
                )
            ),
            self._states,
            (),
            NOON + step * timedelta(seconds=1),
        )
        self._states |= {(each.collection_id, each.upstream_id): each for each in found.records}
        self._begun += len(found.records)
        if step % 3:
            self._lake.append_part(Part(step, step), found.records, found.events)
        else:
            name = BackfillFile(COLLECTIONS[0], 1, step + 1, "0123abcd").name
            self._lake.write_chunk(name, found.records, found.events)
        self._written = self._begun
        if step % 5 == 4:
            self._merge()

    def _merge(self) -> None:
        compactor = Compactor(self._lake)
        for folder in itertools.chain.from_iterable(map(compactor.folders, COLLECTIONS)):
            if (prepared := compactor.prepare(folder)) is not None:
                self._merges_begun += 1
                assert prepared.install()
                self._merges_done += 1
                prepared.discard()

    def _read(self, name: str, reader: Reader) -> None:
        states = objects = 0
        finished = False
        while not finished:
            finished = self._done.is_set()
            least, merges = self._written, self._merges_done
            try:
                found = reader(self._records)
            except Exception as error:
                # A file of its list was merged. It must list again, which nothing can prevent.
                if not _FILE_IS_GONE.search(str(error)) or self._merges_begun == merges:
                    raise
                self.reads[name].stale += 1
                finished = False
                continue
            ids, numbers = found["id"].to_pylist(), found["updated_idx"].to_pylist()
            versions = set(zip(ids, numbers, strict=True))
            assert len(versions) == len(ids), f"{name} read a row twice"
            assert least <= len(ids) <= self._begun, f"{name} missed a row, or read too many"
            assert len(ids) >= states
            assert len(set(ids)) >= objects
            states, objects = len(ids), len(set(ids))
            assert found["payload"].null_count == 0
            self.reads[name].right += 1
            self._read_once.release()
        assert states == self._begun
