"""Append: each part of the stream is added to a collection's newest file until that file is full.

A file is replaced by one with its rows and the new ones, so that readers find each row in exactly
one file at any time. No row is ever removed, and a file that another process has changed meanwhile
is left as it is. The footer has the last part and the number of rows before it: a part that was
written, but whose position was not committed, is completed when it is written again.
"""

from __future__ import annotations

from dataclasses import dataclass

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stripe_sync.errors import LakeAhead
from stripe_sync.lake import atomic_write, file_names
from stripe_sync.lake.file_names import StreamFile
from stripe_sync.records import canonical_json

FULL_ROWS = 20_000
"""Number of rows at which a file is full and the next one is begun."""

FULL_BYTES = 16 * 2**20
"""Bytes before compression at which a file is full: appending to it takes 0.1 s."""

_KEY = b"stripe_sync.part"


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """Consecutive change events of a sync's stream.

    Attributes:
        first: First stream position.
        last: Last stream position; a later attempt has the same or a higher one.
    """

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a file.

    Attributes:
        part: The last part.
        rows_before: Number of rows before that part.
    """

    part: Part
    rows_before: int


def append(files: fsspec.AbstractFileSystem, folder: str, part: Part, rows: pa.Table) -> None:
    """Append the rows of a part to the newest stream file of a folder, or begin a new file.

    Appending the same part again adds the rows that the earlier attempt lacks.

    Args:
        files: The file system.
        folder: Folder of a collection's records, or of its change events of one day.
        part: The part; it follows all parts whose position was committed.
        rows: Its rows.

    Raises:
        LakeAhead: The folder has a later part, or more of this one.
        OSError: The file system cannot be read or written, or another process appends to the same
            file.
        ArrowException: The newest file is broken.
    """
    newest = max(files.glob(f"{folder}/stream-*.parquet"), default=None)
    if newest is not None:
        version = atomic_write.version_of(files, newest)
        file = pq.ParquetFile(pa.BufferReader(files.cat_file(newest)))
        tail = tail_of(newest, file.metadata)
        retried = tail.part.first == part.first
        if tail.part.last > part.last or (tail.part.last >= part.first and not retried):
            msg = f"{newest} has stream position {tail.part.last}, later than {part.last}"
            raise LakeAhead(msg)
        if retried or (not is_full(file.metadata) and file.schema_arrow.equals(rows.schema)):
            stored = file.read().replace_schema_metadata()
            before = tail.rows_before if retried else stored.num_rows
            earlier = _missing_from(rows, stored.slice(before))
            table = pa.concat_tables([stored.slice(0, before), earlier, rows])
            atomic_write.replace(files, newest, _with_footer(table, Tail(part, before)), version)
            return
    path = f"{folder}/{StreamFile(part.first).name}{file_names.SUFFIX}"
    atomic_write.create(files, path, _with_footer(rows, Tail(part, 0)))


def _missing_from(rows: pa.Table, earlier: pa.Table) -> pa.Table:
    """Rows of an earlier attempt that are not among these."""
    return earlier.filter(pc.invert(pc.is_in(_keys(earlier), _keys(rows))))


def _keys(rows: pa.Table) -> pa.Array:
    """What identifies a row: the change event, or the version of the record."""
    names = rows["id"].cast(pa.string())
    if "updated_idx" not in rows.column_names:
        return names
    return pc.binary_join_element_wise(names, rows["updated_idx"].cast(pa.string()), "/")


def _with_footer(table: pa.Table, tail: Tail) -> pa.Table:
    footer = {"first": tail.part.first, "last": tail.part.last, "rows_before": tail.rows_before}
    return table.replace_schema_metadata({_KEY: canonical_json.dumps(footer)})


def tail_of(path: str, metadata: pq.FileMetaData) -> Tail:
    """The end of a stream file, by its footer.

    Args:
        path: The file.
        metadata: Its Parquet metadata.
    """
    footer = (metadata.metadata or {}).get(_KEY)
    if footer is not None:
        values = canonical_json.loads(footer)
        return Tail(Part(values["first"], values["last"]), values["rows_before"])
    # A file without this footer has one part, whose first position is in its name.
    named = file_names.parse(path)
    first = named.first if isinstance(named, StreamFile) else 0
    return Tail(Part(first, first), 0)


def is_full(metadata: pq.FileMetaData) -> bool:
    """Whether nothing more is appended to a file."""
    return metadata.num_rows >= FULL_ROWS or raw_bytes(metadata) >= FULL_BYTES


def raw_bytes(metadata: pq.FileMetaData) -> int:
    """Size of a file's rows before compression."""
    return sum(
        metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)
    )
