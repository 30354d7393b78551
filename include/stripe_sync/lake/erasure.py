"""Erasure: takes the payloads of erased objects out of the lake's files.

A visible file never changes, but for this: a file with rows of an erased object is replaced in one
step by one with the same rows, of which these keep only what identifies the object.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stripe_sync.catalog.ownership import load_ownership
from stripe_sync.errors import LakeError
from stripe_sync.lake import atomic_write
from stripe_sync.lake.file_names import SUFFIX
from stripe_sync.lake.schema import created
from stripe_sync.lake.store import Lake, explain
from stripe_sync.records import canonical_json
from stripe_sync.records.erasure import erased_row, is_erased, named_strings

_ATTEMPTS = 5
_ROWS = 2_000
_PAYLOADS = ("payload", "data")


@dataclass(frozen=True, slots=True)
class LakeRow:
    """A row of a file, as far as it shows which objects it names.

    Attributes:
        collection_id: Its collection.
        upstream_id: Key of the object.
        parent_id: Stripe's id of the object that it belongs to.
        payload: JSON text of the object.
        changes: JSON text of the old values of a change event.
    """

    collection_id: str
    upstream_id: str
    parent_id: str | None
    payload: str
    changes: str | None


class LakeErasure:
    """Finds and erases objects in all files of a sync, those that wait for cleanup among them.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self._files, self._root = lake.location

    def rows(self) -> Iterator[list[LakeRow]]:
        """All rows, page by page.

        Raises:
            LakeError: The lake cannot be read.
        """
        for path in self._paths():
            with (
                explain("read", path),
                suppress(FileNotFoundError),
                self._files.open(path, "rb") as source,
            ):
                file = pq.ParquetFile(source)
                names = [name for name in file.schema_arrow.names if name in _SEARCHED]
                for batch in file.iter_batches(_ROWS, columns=names) if _is_ours(file) else ():
                    yield [_row(row) for row in batch.to_pylist()]

    def erase(
        self,
        keys: Collection[tuple[str, str]],
        exclusive: Callable[[], AbstractContextManager[Any]],
    ) -> tuple[int, int]:
        """Erase objects.

        Args:
            keys: Collection ids and upstream ids.
            exclusive: Keeps those out who append to files or merge them; used for each file.

        Returns:
            Numbers of files and rows that had data of them.

        Raises:
            LakeError: The lake cannot be read or written; what was erased stays erased.
        """
        names = pa.array([f"{collection}\0{name}" for collection, name in keys])
        files = rows = 0
        for path in self._paths():
            with explain("write", path):
                if self._find(path, names):
                    with exclusive():
                        erased = self._replace(path, names)
                    files, rows = files + bool(erased), rows + erased
        return files, rows

    def erase_set_aside(self, upstream_ids: Collection[str]) -> int:
        """Remove the set-aside texts that contain one of some ids; returns their number.

        Raises:
            LakeError: The lake cannot be read or written.
        """
        wanted, folder, removed = set(upstream_ids), f"{self._root}/set_aside", 0
        with explain("delete", folder):
            if not self._files.exists(folder):
                return 0
            for path in self._files.find(folder):
                with suppress(FileNotFoundError):  # its writer has removed it meanwhile
                    if not wanted.isdisjoint(named_strings(self._files.cat_file(path))):
                        self._files.rm_file(path)
                        removed += 1
        return removed

    def _paths(self) -> list[str]:
        with explain("read", self._root):
            if not self._files.exists(self._root):
                return []
            return [path for path in self._files.find(self._root) if path.endswith(SUFFIX)]

    def _find(self, path: str, names: pa.Array) -> bool:
        """Whether a file has rows of erased objects; not for one that is gone meanwhile."""
        with suppress(FileNotFoundError), self._files.open(path, "rb") as source:
            file = pq.ParquetFile(source)
            if not _is_ours(file):
                return False
            for batch in file.iter_batches(columns=["collection_id", "upstream_id"]):
                if pc.any(_matches(pa.Table.from_batches([batch]), names)).as_py():
                    return True
        return False

    def _replace(self, path: str, names: pa.Array) -> int:
        """Replace a file; the number of its rows that had data."""
        for _ in range(_ATTEMPTS):
            try:
                version = atomic_write.version_of(self._files, path)
                file = pq.ParquetFile(pa.BufferReader(self._files.cat_file(path)))
            except FileNotFoundError:
                return 0  # merged or discarded by its writer
            table = file.read()
            changed, count = _without(table, _matches(table, names))
            if not count:
                return 0
            with suppress(FileExistsError):
                atomic_write.replace(self._files, path, changed, version)
                return count
        message = f"other processes change {path} all the time: run it again"
        raise LakeError(message)


_SEARCHED = ("collection_id", "upstream_id", "parent_id", "payload", "data", "changes")


def _row(row: dict[str, Any]) -> LakeRow:
    payload = row.get("payload") or row.get("data") or "{}"
    changes, parent = row.get("changes"), row.get("parent_id")
    return LakeRow(row["collection_id"], row["upstream_id"], parent, payload, changes)


def _is_ours(file: pq.ParquetFile) -> bool:
    return {"collection_id", "upstream_id"} <= set(file.schema_arrow.names)


def _matches(table: pa.Table, names: pa.Array) -> pa.ChunkedArray:
    keys = pc.binary_join_element_wise(table["collection_id"], table["upstream_id"], "\0")
    return pc.is_in(keys, value_set=names)


def _without(table: pa.Table, mask: pa.ChunkedArray) -> tuple[pa.Table, int]:
    """A table of which some rows keep only what identifies their objects, and how many had more."""
    name = next(each for each in _PAYLOADS if each in table.column_names)
    chosen = mask.to_pylist()
    texts: list[str] = table[name].to_pylist()
    collections, ownership = table["collection_id"].to_pylist(), load_ownership()
    count, hashes = 0, dict[int, str]()
    for place in (index for index, is_chosen in enumerate(chosen) if is_chosen):
        if not is_erased(canonical_json.loads(texts[place])):
            count += 1
        kept = ownership.kept(collections[place])
        text, hashes[place] = erased_row(texts[place].encode(), kept)
        texts[place] = text.decode()
    columns: dict[str, list[Any]] = {name: texts}
    if "payload_hash" in table.column_names:
        found = table["payload_hash"].to_pylist()
        columns["payload_hash"] = [hashes.get(place, each) for place, each in enumerate(found)]
    if "created" in table.column_names:
        found = table["created"].to_pylist()
        columns["created"] = [
            created(texts[place].encode()) if place in hashes else each
            for place, each in enumerate(found)
        ]
    if "changes" in table.column_names:
        found = table["changes"].to_pylist()
        columns["changes"] = [
            "{}" if chosen[place] and each is not None else each for place, each in enumerate(found)
        ]
    for column, values in columns.items():
        field = table.schema.field(column)
        position = table.column_names.index(column)
        table = table.set_column(position, field, pa.array(values, field.type))
    return table, count
