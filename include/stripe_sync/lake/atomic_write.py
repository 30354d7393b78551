"""Parquet files that appear as a whole, in place of what stood there before.

A disk gets the file under a temporary name first, and then renames it. An object store shows an
upload once it is complete, so it gets the file under its own name. Whoever opens the name sees the
old file or the new one, never half of either.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from uuid import uuid4

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from stripe_sync.lake import schema

TEMPORARY = ".tmp-"
"""Begins the names of files that are being written. None ends in ``.parquet``, so that a reader's
pattern does not catch half a file."""

# Level 1 takes 7 % more space than 3 does and two thirds of its time, 3 as much space as 9 does.
_ZSTD_LEVEL = 1
_LONG = frozenset({"payload", "data", "changes"})

# Elsewhere a file is written and moved, which is as good as the store's way of moving.
_SHOWS_WHOLE_UPLOADS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory"})


def put(files: fsspec.AbstractFileSystem, path: str, table: pa.Table) -> None:
    """Write a file, or replace the one that is there.

    Args:
        files: The store.
        path: Where; folders are made as needed.
        table: The rows.

    Raises:
        OSError: The store refuses it; what stood there still does.
    """
    encoded = _encoded(table)
    if is_local(files):
        _put_on_disk(Path(path), encoded)
    elif _protocols(files) & _SHOWS_WHOLE_UPLOADS:
        files.pipe_file(path, encoded.to_pybytes())
    else:
        folder = posixpath.dirname(path)
        files.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/{TEMPORARY}{uuid4().hex}"
        files.pipe_file(temporary, encoded.to_pybytes())
        files.mv(temporary, path)


def is_local(files: fsspec.AbstractFileSystem) -> bool:
    """Whether the store is a disk of this machine, or one that looks like it."""
    return isinstance(files, LocalFileSystem)


def _encoded(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=[name for name in table.column_names if name in schema.REPEATING],
        write_statistics=[name for name in table.column_names if name not in _LONG],
    )
    return sink.getvalue()


def _put_on_disk(path: Path, encoded: pa.Buffer) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Nobody else writes to this name, not even one who believes to be alone and is not.
    temporary = path.parent / f"{TEMPORARY}{uuid4().hex}"
    with temporary.open("wb") as sink:
        sink.write(encoded)
        sink.flush()
        # A power cut must not leave an empty file in the place of one that was complete.
        os.fsync(sink.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; what is noted next relies on them."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _protocols(files: fsspec.AbstractFileSystem) -> set[str]:
    names = files.protocol
    return {names} if isinstance(names, str) else set(names)
