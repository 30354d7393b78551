"""The lake: Parquet files in a folder or a bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import TYPE_CHECKING, TypeVar

import fsspec
import pyarrow as pa

from stripe_sync.errors import LakeError
from stripe_sync.lake import append, atomic_write, file_names, schema
from stripe_sync.lake.file_names import SUFFIX, BackfillFile
from stripe_sync.records import EventRow, RecordRow
from stripe_sync.records.set_aside import SetAside

if TYPE_CHECKING:
    import pandas as pd

_READS = 5
"""Times that a read begins again because a file of its list was merged meanwhile."""

_NOT_OF_DRIVERS = ("builtins", "stripe_sync")


class Lake:
    """The Parquet files of one sync.

    ``<lake>/<sync>/records/collection=<c>/<name>.parquet`` has record versions and
    ``<lake>/<sync>/events/collection=<c>/date=<day>/<name>.parquet`` change events by the UTC day
    of ``created_at``. ``<lake>/<sync>/set_aside`` has what cannot be stored as a record. Readers
    never see half a file, and no file is written to again: new rows come in new files.

    Examples:
        The current state of all customers, and their history, as data frames::

            lake = Lake("s3://bucket/lake", "main")
            customers = lake.records("customer")
            history = lake.events("customer")

    Args:
        url: A folder, or any URL that fsspec knows (``s3://bucket/path``).
        sync_name: The sync.

    Raises:
        LakeError: No driver is installed for such a URL, or it cannot be used.
    """

    def __init__(self, url: str, sync_name: str) -> None:
        try:
            with explain("open", url.partition("?")[0]):
                # Other processes write too, so cached listings would be out of date.
                self._files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            scheme = url.partition("://")[0]
            msg = (
                f"the lake's URL begins with {scheme}://, which needs a driver that is not "
                f"installed: {error}"
            )
            raise LakeError(msg) from error
        self._root = f"{str(root).rstrip('/')}/{sync_name}"

    @property
    def location(self) -> tuple[fsspec.AbstractFileSystem, str]:
        """File system, and folder of the sync's files."""
        return self._files, self._root

    def write_chunk(
        self,
        name: str,
        records: Sequence[RecordRow],
        events: Sequence[EventRow],
        written: set[str] | None = None,
    ) -> None:
        """Write rows to new files with this name; only collections with rows get one.

        Args:
            name: File name without extension.
            records: Record versions.
            events: Change events.
            written: Paths that an earlier attempt at this same chunk has written: they are removed
                first. Afterwards it has the paths of this attempt, also when that failed.

        Raises:
            LakeError: The lake cannot be written, or has a file with this name and other content.
        """
        written = set() if written is None else written
        tables = {
            f"{self._records(collection)}/{name}{SUFFIX}": schema.records_table(rows)
            for collection, rows in _by_collection(records).items()
        }
        for collection, found in _by_collection(events).items():
            for day, rows in _by_day(found).items():
                path = f"{self._events(collection)}/date={day}/{name}{SUFFIX}"
                tables[path] = schema.events_table(rows)
        with explain("write", self._root):
            while written:
                self._files.rm_file(written.pop())
            for path, table in tables.items():
                atomic_write.create(self._files, path, table)
                written.add(path)

    def backfill_files(self, collection: str, folders: Iterable[str]) -> list[BackfillFile]:
        """The files that backfills of one collection wrote, of any warehouse.

        Args:
            collection: Short name of the collection that was read.
            folders: Short names of the collections that its chunks have rows of.

        Raises:
            LakeError: The lake cannot be read.
        """
        with explain("read", self._root):
            paths = [
                path
                for folder in folders
                for path in self._files.glob(f"{self._records(folder)}/backfill-{collection}-*")
            ]
        found = {file_names.parse(path) for path in paths}
        return [f for f in found if isinstance(f, BackfillFile) and f.collection == collection]

    def append_part(
        self, part: append.Part, records: Sequence[RecordRow], events: Sequence[EventRow]
    ) -> None:
        """Write a part of the stream to new files; hold the lake lock.

        Appending the same part again writes the rows that the earlier attempts lack.

        Args:
            part: The part.
            records: Record versions of its change events.
            events: Its change events.

        Raises:
            LakeAhead: The lake has a later part, or more of this one.
            LakeError: The lake cannot be read or written; some collections may have their rows.
        """
        with explain("write", self._root):
            for collection, rows in _by_collection(records).items():
                folder = self._records(collection)
                append.append(self._files, folder, part, schema.records_table(rows))
            for collection, found in _by_collection(events).items():
                for day, some in _by_day(found).items():
                    folder = f"{self._events(collection)}/date={day}"
                    append.append(self._files, folder, part, schema.events_table(some))

    def write_set_aside(self, objects: Sequence[SetAside]) -> None:
        """Write the texts of objects that cannot be stored as records.

        ``<lake>/<sync>/set_aside/collection=<c>/<key>.json`` has the JSON of one object. Its key is
        a hash of the text, so that a file is never written with another content.

        Args:
            objects: The objects.

        Raises:
            LakeError: The lake cannot be written.
        """
        with explain("write", self._root):
            for each in objects:
                if each.text is not None:
                    atomic_write.create_bytes(self._files, self._set_aside(each), each.text)

    def remove_set_aside(self, objects: Sequence[SetAside]) -> None:
        """Remove the texts of objects; those that are not there are gone already.

        Args:
            objects: The objects.

        Raises:
            LakeError: The lake cannot be written.
        """
        with explain("delete", self._root):
            for each in objects:
                if each.text is not None:
                    with suppress(FileNotFoundError):
                        self._files.rm_file(self._set_aside(each))

    def _set_aside(self, each: SetAside) -> str:
        folder = each.collection_id.partition(":")[2]
        return f"{self._root}/set_aside/collection={folder}/{each.key}.json"

    def discard(self, collection: str, name: str) -> None:
        """Remove a collection's files with this name, if there are any.

        Args:
            collection: Short name, ``customer``.
            name: File name without extension, of a chunk that this warehouse did not commit.

        Raises:
            LakeError: The lake cannot be written.
        """
        with explain("write", self._root):
            files = [f"{self._records(collection)}/{name}{SUFFIX}"]
            self._remove([file for file in files if self._files.exists(file)])
            self._remove(self._event_files(collection, name))

    def record_batches(self, collection: str | None = None) -> Iterator[pa.RecordBatch]:
        """All record versions, superseded ones too, in batches that fit into memory.

        Args:
            collection: Short name; None for all collections.

        Raises:
            LakeError: The lake cannot be read.
        """
        return self._batches("records", schema.RECORDS, collection)

    def event_batches(self, collection: str | None = None) -> Iterator[pa.RecordBatch]:
        """All change events in batches that fit into memory.

        Args:
            collection: Short name; None for all collections.

        Raises:
            LakeError: The lake cannot be read.
        """
        return self._batches("events", schema.EVENTS, collection)

    def records(self, collection: str | None = None) -> pd.DataFrame:
        """The current state of every record, deleted ones too, as a data frame.

        One row per object, with the columns of ``schema.RECORDS``; ``payload`` is JSON text. Reads
        all versions into memory.

        Args:
            collection: Short name, ``customer``; None for all collections.

        Raises:
            LakeError: The lake cannot be read.
        """
        states = self._frame("records", schema.RECORDS, collection)
        states = states.sort_values(["updated_idx", "updated_at"], kind="stable")
        return states.drop_duplicates("id", keep="last").reset_index(drop=True)

    def events(self, collection: str | None = None) -> pd.DataFrame:
        """All change events, oldest first, as a data frame.

        One row per change, with the columns of ``schema.EVENTS``; ``changes`` (the old values) and
        ``data`` (the object after the change) are JSON text. Reads all change events into memory.

        Args:
            collection: Short name, ``customer``; None for all collections.

        Raises:
            LakeError: The lake cannot be read.
        """
        events = self._frame("events", schema.EVENTS, collection)
        events = events.drop_duplicates("id", keep="last")
        return events.sort_values("created_at", kind="stable").reset_index(drop=True)

    def _frame(self, stream: str, columns: pa.Schema, collection: str | None) -> pd.DataFrame:
        for reads_left in reversed(range(_READS)):
            try:
                batches = list(self._batches(stream, columns, collection))
                break
            except LakeError as error:
                if not (reads_left and isinstance(error.__cause__, FileNotFoundError)):
                    raise
        frame: pd.DataFrame = pa.Table.from_batches(batches, columns).to_pandas()
        return frame

    def _batches(
        self, stream: str, columns: pa.Schema, collection: str | None
    ) -> Iterator[pa.RecordBatch]:
        import pyarrow.dataset as ds  # imports pandas, which writers do not need

        folder = f"{self._root}/{stream}"
        if collection is not None:
            folder = f"{folder}/collection={collection}"
        with explain("read", folder):
            if not self._files.exists(folder):
                return
            files = ds.dataset(folder, columns, format="parquet", filesystem=self._files)
            yield from files.to_batches()

    def _records(self, collection: str) -> str:
        return f"{self._root}/records/collection={collection}"

    def _events(self, collection: str) -> str:
        return f"{self._root}/events/collection={collection}"

    def _event_files(self, collection: str, name: str) -> list[str]:
        found: list[str] = self._files.glob(f"{self._events(collection)}/date=*/{name}{SUFFIX}")
        return found

    def _remove(self, files: Iterable[str]) -> None:
        for file in files:
            self._files.rm_file(file)


_Row = TypeVar("_Row", RecordRow, EventRow)


def _by_collection(rows: Sequence[_Row]) -> dict[str, list[_Row]]:
    parts: dict[str, list[_Row]] = {}
    for row in rows:
        parts.setdefault(row.collection_id.partition(":")[2], []).append(row)
    return parts


def _by_day(events: Sequence[EventRow]) -> dict[str, list[EventRow]]:
    days: dict[str, list[EventRow]] = {}
    for event in events:
        day = event.created_at.astimezone(UTC).date().isoformat()
        days.setdefault(day, []).append(event)
    return days


@contextmanager
def explain(verb: str, location: str) -> Iterator[None]:
    """Turn an error of a driver into one that names the location and the remedy.

    Drivers of object stores raise classes of their own (botocore's, Google's, Azure's), so all are
    meant that are neither Python's nor ours.
    """
    try:
        yield
    except FileExistsError as error:
        msg = (
            f"cannot {verb} the lake at {location}: {error}; if another warehouse writes to this "
            "folder, give each its own"
        )
        raise LakeError(msg) from error
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.startswith(_NOT_OF_DRIVERS):
            raise
        msg = (
            f"cannot {verb} the lake at {location}: {error}; check that it exists and that "
            "this process may use it"
        )
        raise LakeError(msg) from error
