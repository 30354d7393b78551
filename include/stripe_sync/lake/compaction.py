"""Compaction: merges the small files of a folder in one atomic step.

Small files are merged into a staging folder, which also gets hard links to the other files. Then
the two folders are exchanged atomically (``renameat2`` with ``RENAME_EXCHANGE``), so that a reader
lists either all old files or all new ones. Merged files have names that were never used: a reader
that listed the folder before the exchange gets "not found" for a merged file and never reads a row
twice. The old folder stays until cleanup, for readers that are listing it.

That needs Linux and a disk; elsewhere files are not merged.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from stripe_sync.lake import atomic_write, file_names
from stripe_sync.lake.file_names import SUFFIX, BackfillFile, MergedFile, NamedFile, StreamFile
from stripe_sync.lake.store import Lake, explain

STAGING = ".staging-"
"""Prefix of folders whose content is exchanged with that of a folder of the lake."""

FULL_ROWS = 20_000
"""Most rows of a merged file; files of half as many are left as they are."""

FULL_BYTES = 16 * 2**20
"""Most bytes of a merged file before compression; files of half as many are left as they are."""

_EXCHANGE = 2
_WORKING_FOLDER = -100


class Compactor:
    """Merges the small files of a lake.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self._files, root = lake.location
        self._root = Path(root)

    def why_unsupported(self) -> str | None:
        """Reason why files cannot be merged here; None where they can."""
        if not atomic_write.is_local(self._files):
            return "an object store cannot replace several files by one atomically"
        staging = self._root / f"{STAGING}{uuid4().hex}"
        first, second = staging / "first", staging / "second"
        try:
            first.mkdir(parents=True)
            second.mkdir()
            (first / "file").touch()
            os.link(first / "file", second / "linked")
            _exchange(first, second)
        except OSError as error:
            return f"the lake's disk cannot exchange folders: {error.strerror or error}"
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return None

    def folders(self, collection: str) -> list[Path]:
        """The folders of a collection's files; each is merged separately.

        Args:
            collection: Short name.
        """
        events = self._root / "events" / f"collection={collection}"
        found = [
            self._root / "records" / f"collection={collection}",
            *sorted(events.glob("date=*")),
        ]
        return [folder for folder in found if folder.is_dir()]

    def prepare(self, folder: Path) -> Prepared | None:
        """Merge a folder's small files in a staging folder; None where there is nothing to merge.

        Args:
            folder: One of ``folders``.

        Raises:
            LakeError: The lake cannot be read or written.
        """
        with explain("compact", str(folder)), suppress(FileNotFoundError):
            groups = list(_groups(folder))
            if groups:
                return self._merged(folder, groups)
        # Another process has merged the folder's files, or there were none to merge.
        return None

    def _merged(self, folder: Path, groups: list[list[Path]]) -> Prepared:
        staging = self._root / f"{STAGING}{uuid4().hex}" / folder.name
        staging.mkdir(parents=True)
        prepared = Prepared(folder, staging, staging.stat().st_ino, {}, len(groups))
        try:
            self._write(prepared, groups)
        except BaseException:
            prepared.discard()
            raise
        return prepared

    def _write(self, prepared: Prepared, groups: list[list[Path]]) -> None:
        used = [f.number for f in _named_files(prepared.folder) if isinstance(f, MergedFile)]
        for number, group in enumerate(groups, start=max(used, default=0) + 1):
            prepared.sources |= {path.name: _version(path) for path in group}
            rows = _in_order(pa.concat_tables([_rows(path) for path in group]))
            path = prepared.staging / f"{MergedFile(number).name}{SUFFIX}"
            atomic_write.create(self._files, str(path), rows)


@dataclass
class Prepared:
    """Merged files that are ready to replace their sources.

    Attributes:
        folder: The folder of the lake.
        staging: The staging folder with the merged files.
        staging_inode: Inode of the staging folder, whatever its name becomes.
        sources: Names of the merged files, with inode and modification time.
        merged_count: Number of files that they were merged into.
    """

    folder: Path
    staging: Path
    staging_inode: int
    sources: dict[str, tuple[int, int]]
    merged_count: int

    def install(self) -> bool:
        """Exchange the folders. No other process may write to the folder meanwhile.

        Returns:
            False when another process has changed the source files; then nothing is done.

        Raises:
            LakeError: The lake cannot be written; all or nothing was done.
        """
        with explain("compact", str(self.folder)):
            found = {path.name: path for path in self.folder.glob("*.parquet")}
            if any(
                name not in found or _version(found[name]) != version
                for name, version in self.sources.items()
            ):
                return False
            for name in found.keys() - self.sources.keys():
                os.link(found[name], self.staging / name)
            atomic_write.sync_folder(self.staging)
            _exchange(self.folder, self.staging)
            atomic_write.sync_folder(self.folder.parent)
            os.utime(self.staging.parent)  # cleanup removes the old folder a day from now
            return True

    def discard(self) -> None:
        """Remove the merged files, unless the folders were exchanged: then the old one stays."""
        if self.staging.stat().st_ino == self.staging_inode:
            shutil.rmtree(self.staging.parent, ignore_errors=True)


def _groups(folder: Path) -> Iterator[list[Path]]:
    """Groups of small files that fit into one, in the order of their names."""
    group: list[Path] = []
    rows = size = 0
    shape: pa.Schema | None = None
    for path in _closed_files(folder):
        metadata = pq.read_metadata(path)
        more = _raw_bytes(metadata)
        if 2 * metadata.num_rows >= FULL_ROWS or 2 * more >= FULL_BYTES:
            continue
        found = metadata.schema.to_arrow_schema()
        full = rows + metadata.num_rows > FULL_ROWS or size + more > FULL_BYTES
        if group and (full or not found.equals(shape)):
            if len(group) > 1:
                yield group
            group, rows, size = [], 0, 0
        group.append(path)
        rows, size, shape = rows + metadata.num_rows, size + more, found
    if len(group) > 1:
        yield group


def _raw_bytes(metadata: pq.FileMetaData) -> int:
    return sum(
        metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)
    )


def _closed_files(folder: Path) -> list[Path]:
    """Files whose rows are committed in the warehouse, by name.

    That excludes what each writer wrote last. Uncommitted files of a backfill are discarded; those
    of the stream show which rows of their part the lake has.
    """
    files = sorted(_named_files(folder), key=lambda file: file.name)
    last = {_writer(file): _step(file) for file in sorted(files, key=_step)}
    return [
        folder / f"{file.name}{SUFFIX}"
        for file in files
        if isinstance(file, MergedFile) or _step(file) != last[_writer(file)]
    ]


def _step(file: NamedFile) -> tuple[int, int]:
    """What its writer wrote at a time, in order: a chunk, or a part of the stream."""
    if isinstance(file, BackfillFile):
        return file.generation, file.chunk
    return (file.first if isinstance(file, StreamFile) else file.number), 0


def _named_files(folder: Path) -> list[NamedFile]:
    found = (file_names.parse(path.name) for path in folder.glob(f"*{SUFFIX}"))
    return [file for file in found if file is not None]


def _writer(file: NamedFile) -> object:
    """What wrote a file, one after the other: the stream, or a collection's backfills."""
    return (file.collection, file.writer) if isinstance(file, BackfillFile) else type(file)


def _rows(path: Path) -> pa.Table:
    return pq.ParquetFile(path).read().replace_schema_metadata()


def _in_order(rows: pa.Table) -> pa.Table:
    """Change events in the order of ``created_at``, which readers rely on."""
    if "created_at" not in rows.column_names:
        return rows
    return rows.sort_by("created_at")


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _exchange(first: Path, second: Path) -> None:
    """Exchange two folders atomically."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError as error:
        raise OSError(0, "this system has no renameat2") from error
    names = (os.fsencode(first), os.fsencode(second))
    if rename(_WORKING_FOLDER, names[0], _WORKING_FOLDER, names[1], _EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(first))
