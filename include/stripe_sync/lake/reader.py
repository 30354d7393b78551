"""Reads all record versions and change events of a lake."""

from __future__ import annotations

import heapq
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stripe_sync.lake import file_names
from stripe_sync.lake.append import newest_first, part_of
from stripe_sync.lake.file_names import SUFFIX, BackfillFile
from stripe_sync.lake.store import Lake, explain
from stripe_sync.records import ChangeType, EventRow, RecordRow, Source, canonical_json

_ROWS = 2_000
_FILE = re.compile(r"/(?:records|events)/collection=([^/]+)/")


@dataclass(frozen=True, slots=True)
class LakeWatermarks:
    """The highest numbers in file names and footers; the next ones follow them.

    Attributes:
        generations: Last backfill generation of each collection, by short name.
        position: Last stream position in the stream files; 0 without one.
    """

    generations: dict[str, int]
    position: int


@dataclass(frozen=True, slots=True)
class LakeOwner:
    """The sync and account of the lake's rows."""

    sync_id: UUID
    resource_id: UUID


class LakeReader:
    """Reads all versions that were ever written to a lake, collection by collection.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self._files, self._root = lake.location

    def collections(self) -> list[str]:
        """Short names of the collections that have files.

        Raises:
            LakeError: The lake cannot be read.
        """
        return sorted(self.counts())

    def counts(self) -> Counter[str]:
        """Number of files of each collection, by short name.

        Raises:
            LakeError: The lake cannot be read.
        """
        return Counter(found[1] for path in self._paths() if (found := _FILE.search(path)))

    def watermarks(self) -> LakeWatermarks:
        """The highest generation of each collection and the last stream position.

        Raises:
            LakeError: The lake cannot be read.
        """
        generations: dict[str, int] = {}
        folders: dict[str, list[str]] = {}
        for path in self._paths():
            folders.setdefault(posixpath.dirname(path), []).append(path)
            file = file_names.parse(path)
            if isinstance(file, BackfillFile):
                generation = max(file.generation, generations.get(file.collection, 0))
                generations[file.collection] = generation
        newest = (path for paths in folders.values() for path in newest_first(paths)[:1])
        with explain("read", self._root):
            position = max((part_of(self._files, path).last for path in newest), default=0)
        return LakeWatermarks(generations, position)

    def owner(self) -> LakeOwner | None:
        """Sync and account of the first row; None when the lake is empty.

        Raises:
            LakeError: The lake cannot be read.
        """
        for path in self._paths():
            for batch in self._read(path, columns=["sync_id", "resource_id"]):
                for row in batch.to_pylist():
                    return LakeOwner(UUID(row["sync_id"]), UUID(row["resource_id"]))
        return None

    def first_observed(self) -> datetime | None:
        """Earliest ``observed_at`` of all record versions; None when there are none.

        Raises:
            LakeError: The lake cannot be read.
        """
        times = [
            self._minimum(path, "observed_at") for path in self._paths() if "/records/" in path
        ]
        return min((time for time in times if time), default=None)

    def events(self, collection: str) -> Iterator[EventRow]:
        """All change events in the order of ``created_at``.

        A file is opened when its first event is next, so that few files are open at a time.

        Args:
            collection: Short name.

        Raises:
            LakeError: The lake cannot be read.
        """
        paths = self._paths(f"events/collection={collection}/")
        unopened = sorted((self._minimum(path, "created_at"), path) for path in paths)
        open_files: list[tuple[datetime, str, int, EventRow, Iterator[EventRow]]] = []
        while unopened or open_files:
            while unopened and (not open_files or unopened[0][0] <= open_files[0][0]):
                _, path = unopened.pop(0)
                _advance(open_files, path, 0, self._events_of(path))
            _, path, number, event, rest = heapq.heappop(open_files)
            yield event
            _advance(open_files, path, number + 1, rest)

    def lacking_events(self, events: Sequence[EventRow]) -> list[EventRow]:
        """The change events among these that the lake has not.

        Raises:
            LakeError: The lake cannot be read.
        """
        found = {row["id"] for row in self._rows_of("events", events, ["id"])}
        return [event for event in events if str(event.id) not in found]

    def lacking_records(self, records: Sequence[RecordRow]) -> list[RecordRow]:
        """The versions of records among these that the lake has not.

        Raises:
            LakeError: The lake cannot be read.
        """
        rows = self._rows_of("records", records, ["id", "updated_idx"])
        found = {(row["id"], row["updated_idx"]) for row in rows}
        return [each for each in records if (str(each.id), each.updated_idx) not in found]

    def _rows_of(
        self, stream: str, sought: Sequence[EventRow | RecordRow], columns: list[str]
    ) -> Iterator[dict[str, Any]]:
        """The rows of the lake that have the ids of these."""
        by_collection: dict[str, list[str]] = {}
        for each in sought:
            name = each.collection_id.partition(":")[2]
            by_collection.setdefault(name, []).append(str(each.id))
        for name, names in by_collection.items():
            wanted = pa.array(names)
            for path in self._paths(f"{stream}/collection={name}/"):
                for batch in self._read(path, columns=columns):
                    yield from batch.filter(pc.is_in(batch["id"], wanted)).to_pylist()

    def records(self, collection: str) -> Iterator[list[RecordRow]]:
        """All record versions, up to 2,000 at a time, in no certain order.

        Args:
            collection: Short name.

        Raises:
            LakeError: The lake cannot be read.
        """
        for path in self._paths(f"records/collection={collection}/"):
            for batch in self._read(path):
                yield [_record(row) for row in batch.to_pylist()]

    def _events_of(self, path: str) -> Iterator[EventRow]:
        for batch in self._read(path):
            for row in batch.to_pylist():
                yield _event(row)

    def _paths(self, below: str = "") -> list[str]:
        with explain("read", self._root):
            found: list[str] = self._files.find(f"{self._root}/{below}")
        return [path for path in found if path.endswith(SUFFIX) and _FILE.search(path)]

    def _read(self, path: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        with explain("read", path), self._files.open(path, "rb") as source:
            file = pq.ParquetFile(source)
            yield from file.iter_batches(_ROWS, columns=columns)

    def _metadata(self, path: str) -> pq.FileMetaData:
        with explain("read", path), self._files.open(path, "rb") as source:
            return pq.ParquetFile(source).metadata

    def _minimum(self, path: str, column: str) -> Any:
        """The smallest value of a column, by the file's statistics."""
        metadata = self._metadata(path)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        number = metadata.schema.names.index(column)
        return min((group.column(number).statistics.min for group in groups), default=None)


def _advance(
    open_files: list[tuple[datetime, str, int, EventRow, Iterator[EventRow]]],
    path: str,
    number: int,
    rest: Iterator[EventRow],
) -> None:
    """Put the next event of a file on the heap."""
    event = next(rest, None)
    if event is not None:
        heapq.heappush(open_files, (event.created_at, path, number, event, rest))


def _event(row: dict[str, Any]) -> EventRow:
    changes = row.pop("changes")
    return EventRow(
        id=UUID(row.pop("id")),
        sync_id=UUID(row.pop("sync_id")),
        resource_id=UUID(row.pop("resource_id")),
        event_type=ChangeType(row.pop("event_type")),
        source=Source(row.pop("source")),
        data_json=row.pop("data").encode(),
        changes=None if changes is None else canonical_json.loads(changes),
        **row,
    )


def _record(row: dict[str, Any]) -> RecordRow:
    row.pop("created", None)  # it is in the payload; older files lack it
    return RecordRow(
        id=UUID(row.pop("id")),
        sync_id=UUID(row.pop("sync_id")),
        resource_id=UUID(row.pop("resource_id")),
        payload_json=row.pop("payload").encode(),
        **row,
    )
