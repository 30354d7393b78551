"""Append: each part of the stream is added to a collection's newest file until that file is full.

A file is replaced by one with its rows and the new ones, so that readers find each row in exactly
one file at any time and no file is ever removed. The footer has the last part and the number of
rows before it: a part that was written, but whose position was not committed, is replaced when it
is written again.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from stripe_sync.errors import LakeAhead
from stripe_sync.lake import atomic_write
from stripe_sync.records import canonical_json

FULL_ROWS = 20_000
"""Number of rows at which a file is full and the next one is begun."""

FULL_BYTES = 16 * 2**20
"""Bytes before compression at which a file is full: appending to it takes 0.1 s."""

_NAME = re.compile(r"stream-(\d{20})\.parquet")
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

    Only one process may append to a folder at a time. Appending the same part again replaces the
    rows of the earlier attempt.

    Args:
        files: The file system.
        folder: Folder of a collection's records, or of its change events of one day.
        part: The part; it follows all parts whose position was committed.
        rows: Its rows.

    Raises:
        LakeAhead: The folder has a later part, or more of this one.
        OSError: The file system cannot be read or written.
        ArrowException: The newest file is broken.
    """
    path = f"{folder}/stream-{part.first:020d}.parquet"
    kept = rows.slice(0, 0)
    newest = max(files.glob(f"{folder}/stream-*.parquet"), default=None)
    if newest is not None:
        file = pq.ParquetFile(pa.BufferReader(files.cat_file(newest)))
        tail = tail_of(newest, file.metadata)
        if tail.part > part:
            msg = f"{newest} has stream position {tail.part.last}, later than {part.last}"
            raise LakeAhead(msg)
        retried = tail.part.first == part.first
        if retried or (not is_full(file.metadata) and file.schema_arrow.equals(rows.schema)):
            path, kept = newest, file.read()
            kept = kept.slice(0, tail.rows_before) if retried else kept
    footer = {"first": part.first, "last": part.last, "rows_before": kept.num_rows}
    table = pa.concat_tables([kept.replace_schema_metadata(), rows])
    table = table.replace_schema_metadata({_KEY: canonical_json.dumps(footer)})
    atomic_write.put(files, path, table)


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
    match = _NAME.fullmatch(posixpath.basename(path))
    first = int(match[1]) if match else 0
    return Tail(Part(first, first), 0)


def is_full(metadata: pq.FileMetaData) -> bool:
    """Whether nothing more is appended to a file."""
    return metadata.num_rows >= FULL_ROWS or raw_bytes(metadata) >= FULL_BYTES


def raw_bytes(metadata: pq.FileMetaData) -> int:
    """Size of a file's rows before compression."""
    return sum(
        metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)
    )
