"""Files that grow: each part of the stream is put behind the one before, until a file is full.

A file is replaced by one that holds its rows and the new ones, so readers see each row in one file
at any time and no file ever goes away. The footer says which part came last and how many rows
stand before it: a part that was written but never noted down is replaced when it comes again.
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
"""A file with so many rows is left as it is and the next one begun."""

FULL_BYTES = 16 * 2**20
"""So is one with so many bytes before compression: growing costs a tenth of a second with them."""

_NAME = re.compile(r"stream-(\d{20})\.parquet")
_KEY = b"stripe_sync.part"


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A stretch of a sync's stream.

    Attributes:
        first: Stream position at which it begins.
        last: Stream position up to which it reaches; a later attempt reaches as far or farther.
    """

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Tail:
    """What a file ends with.

    Attributes:
        part: The part that came last.
        before: Rows of the parts before it.
    """

    part: Part
    before: int


def append(files: fsspec.AbstractFileSystem, folder: str, part: Part, rows: pa.Table) -> None:
    """Put the rows of a part behind those that the folder's newest file of the stream holds.

    Nobody else may do so in this folder meanwhile. Done again for the same part, it replaces what
    the earlier attempt left.

    Args:
        files: The store.
        folder: Where a collection's files, or those of one day, are.
        part: The part; it comes after all that were noted down.
        rows: Its rows.

    Raises:
        LakeAhead: The folder holds a later part, or more of this one.
        OSError: The store cannot be read or written.
        ArrowException: The newest file is broken.
    """
    path = f"{folder}/stream-{part.first:020d}.parquet"
    held = rows.slice(0, 0)
    newest = max(files.glob(f"{folder}/stream-*.parquet"), default=None)
    if newest is not None:
        file = pq.ParquetFile(pa.BufferReader(files.cat_file(newest)))
        tail = tail_of(newest, file.metadata)
        if tail.part > part:
            msg = f"{newest} reaches stream position {tail.part.last}, further than {part.last}"
            raise LakeAhead(msg)
        again = tail.part.first == part.first
        if again or (not is_full(file.metadata) and file.schema_arrow.equals(rows.schema)):
            path, held = newest, file.read()
            held = held.slice(0, tail.before) if again else held
    told = {"first": part.first, "last": part.last, "before": held.num_rows}
    grown = pa.concat_tables([held.replace_schema_metadata(), rows])
    atomic_write.put(files, path, grown.replace_schema_metadata({_KEY: canonical_json.dumps(told)}))


def tail_of(path: str, metadata: pq.FileMetaData) -> Tail:
    """What a file of the stream ends with.

    Args:
        path: The file.
        metadata: Its footer.
    """
    told = (metadata.metadata or {}).get(_KEY)
    if told is not None:
        values = canonical_json.loads(told)
        return Tail(Part(values["first"], values["last"]), values["before"])
    # Files that never grew hold one part, which their name tells.
    match = _NAME.fullmatch(posixpath.basename(path))
    first = int(match[1]) if match else 0
    return Tail(Part(first, first), 0)


def is_full(metadata: pq.FileMetaData) -> bool:
    """Whether a file is large enough to be left as it is."""
    return metadata.num_rows >= FULL_ROWS or raw_bytes(metadata) >= FULL_BYTES


def raw_bytes(metadata: pq.FileMetaData) -> int:
    """Bytes that a file's rows take before compression."""
    return sum(
        metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)
    )
