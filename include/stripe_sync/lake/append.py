"""Append: each part of the stream adds one file to each folder that it has rows of.

A file is never written to again. Its footer names the part, so that a part whose position was not
committed is known when it comes again: then only the rows that its files lack are written, to a
further file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stripe_sync.errors import LakeAhead
from stripe_sync.lake import atomic_write, file_names
from stripe_sync.lake.file_names import StreamFile
from stripe_sync.records import canonical_json

_FOOTER = b"stripe_sync.part"


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """Consecutive change events of a sync's stream.

    Attributes:
        first: First stream position.
        last: Last stream position; a later attempt has the same or a higher one.
    """

    first: int
    last: int


def append(files: fsspec.AbstractFileSystem, folder: str, part: Part, rows: pa.Table) -> None:
    """Write the rows of a part to a new file of a folder.

    Appending the same part again writes the rows that the earlier attempts lack.

    Args:
        files: The file system.
        folder: Folder of a collection's records, or of its change events of one day.
        part: The part; it follows all parts whose position was committed.
        rows: Its rows.

    Raises:
        LakeAhead: The folder has a later part, or more of this one.
        FileExistsError: Another process appends the same part.
        OSError: The file system cannot be read or written.
        ArrowException: One of the newest files is broken.
    """
    attempts = _attempts(files, folder, part)
    if attempts:
        keys = pa.concat_arrays([_stored_keys(files, path) for path in attempts])
        rows = rows.filter(pc.invert(pc.is_in(_keys(rows), keys)))
    if rows.num_rows:
        footer = canonical_json.dumps({"first": part.first, "last": part.last})
        path = f"{folder}/{StreamFile(part.first, len(attempts) + 1).name}{file_names.SUFFIX}"
        atomic_write.create(files, path, rows.replace_schema_metadata({_FOOTER: footer}))


def newest_first(paths: Sequence[str]) -> list[str]:
    """The stream files among the files of a folder, those of the last part first."""
    named = [
        (file, path) for path in paths if isinstance(file := file_names.parse(path), StreamFile)
    ]
    return [path for _, path in sorted(named, reverse=True)]


def part_of(files: fsspec.AbstractFileSystem, path: str) -> Part:
    """The part that a stream file has rows of, by its footer.

    Raises:
        OSError: The file cannot be read.
    """
    with files.open(path, "rb") as source:
        footer = (pq.ParquetFile(source).metadata.metadata or {}).get(_FOOTER)
    if footer is not None:
        values = canonical_json.loads(footer)
        return Part(values["first"], values["last"])
    # A file without a footer has one change event, whose position is its name.
    named = file_names.parse(path)
    first = named.first if isinstance(named, StreamFile) else 0
    return Part(first, first)


def _attempts(files: fsspec.AbstractFileSystem, folder: str, part: Part) -> list[str]:
    """The files that earlier attempts at a part have left in a folder."""
    found = []
    for path in newest_first(files.glob(f"{folder}/stream-*{file_names.SUFFIX}")):
        stored = part_of(files, path)
        if stored.last > part.last or (stored.last >= part.first and stored.first != part.first):
            msg = f"{path} has stream position {stored.last}, later than {part.last}"
            raise LakeAhead(msg)
        if stored.first != part.first:
            break
        found.append(path)
    return found


def _stored_keys(files: fsspec.AbstractFileSystem, path: str) -> pa.Array:
    with files.open(path, "rb") as source:
        file = pq.ParquetFile(source)
        columns = [name for name in ("id", "updated_idx") if name in file.schema_arrow.names]
        return _keys(file.read(columns))


def _keys(rows: pa.Table) -> pa.Array:
    """What identifies a row: the change event, or the version of the record."""
    names = rows["id"].cast(pa.string())
    if "updated_idx" in rows.column_names:
        versions = rows["updated_idx"].cast(pa.string())
        names = pc.binary_join_element_wise(names, versions, "/")
    return names.combine_chunks()
