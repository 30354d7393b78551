"""Small files made few, in one step that no reader sees half of.

The files of a folder are merged into another folder, which gets links to the others too; then the
two folders change places at once (``renameat2`` with ``RENAME_EXCHANGE``). Who lists the folder
sees all of the old files or all of the new ones. Merged files have names that were never used, so
who listed the folder before and opens a file afterwards that was merged is told that it is gone,
and never reads a row twice. The old folder stays until it is swept, for those who are listing it.

That needs Linux and a disk; elsewhere files stay as they were written.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from stripe_sync.lake import append, atomic_write
from stripe_sync.lake.store import Lake, explain

BESIDE = ".beside-"
"""Begins the names of folders that hold what changes places with a folder of the lake."""

_STREAMS = ("records", "events")
_EXCHANGE = 2
_WORKING_FOLDER = -100

# Files of one writer, in the order in which it wrote them.
_WRITTEN = re.compile(r"(?P<writer>stream|backfill-[a-z0-9_]+)-[0-9-]+\.parquet")
_MERGED = re.compile(r"merged-(?P<number>\d{6})\.parquet")


class Compactor:
    """Merges the small files of a lake.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self._files, root = lake.place
        self._root = Path(root)

    def impossible(self) -> str | None:
        """Why files cannot be merged here; None where they can."""
        if not atomic_write.is_local(self._files):
            return "an object store cannot exchange many files for one at once"
        beside = self._root / f"{BESIDE}{uuid4().hex}"
        first, second = beside / "first", beside / "second"
        try:
            first.mkdir(parents=True)
            second.mkdir()
            (first / "file").touch()
            os.link(first / "file", second / "linked")
            _exchange(first, second)
        except OSError as error:
            return f"the lake's disk cannot exchange folders: {error.strerror or error}"
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return None

    def folders(self, collection: str) -> list[Path]:
        """The folders that hold a collection's files, each of which is merged by itself.

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
        """Merge a folder's small files beside it; None where there is nothing to merge.

        Args:
            folder: One of ``folders``.

        Raises:
            LakeError: The lake cannot be read or written.
        """
        with explain("compact", str(folder)), suppress(FileNotFoundError):
            groups = list(_groups(folder))
            if groups:
                return self._merged(folder, groups)
        # Somebody else merged the folder's files just now, or there were none to merge.
        return None

    def _merged(self, folder: Path, groups: list[list[Path]]) -> Prepared:
        beside = self._root / f"{BESIDE}{uuid4().hex}" / folder.name
        beside.mkdir(parents=True)
        prepared = Prepared(folder, beside, beside.stat().st_ino, {}, len(groups))
        try:
            self._write(prepared, groups)
        except BaseException:
            prepared.discard()
            raise
        return prepared

    def _write(self, prepared: Prepared, groups: list[list[Path]]) -> None:
        used = [int(match["number"]) for match in _matches(_MERGED, prepared.folder)]
        for number, group in enumerate(groups, start=max(used, default=0) + 1):
            prepared.merged |= {path.name: _version(path) for path in group}
            rows = _in_order(pa.concat_tables([_rows(path) for path in group]))
            atomic_write.put(
                self._files, str(prepared.beside / f"merged-{number:06d}.parquet"), rows
            )


@dataclass
class Prepared:
    """Merged files that wait to take the place of those that they were made of.

    Attributes:
        folder: The folder of the lake.
        beside: Where the merged files are.
        made: The folder there, whatever its name becomes.
        merged: Files that they were made of: name, and what they were then.
        into: How many merged files there are.
    """

    folder: Path
    beside: Path
    made: int
    merged: dict[str, tuple[int, int]]
    into: int

    def install(self) -> bool:
        """Let the merged files take their place. Nobody may write in the folder meanwhile.

        Returns:
            False where somebody else changed the files; then nothing is done.

        Raises:
            LakeError: The lake cannot be written; then all or nothing is done.
        """
        with explain("compact", str(self.folder)):
            found = {path.name: path for path in self.folder.glob("*.parquet")}
            if any(
                name not in found or _version(found[name]) != version
                for name, version in self.merged.items()
            ):
                return False
            for name in found.keys() - self.merged.keys():
                os.link(found[name], self.beside / name)
            atomic_write.sync_folder(self.beside)
            _exchange(self.folder, self.beside)
            atomic_write.sync_folder(self.folder.parent)
            os.utime(self.beside.parent)  # the old folder may stay for a day from now
            return True

    def discard(self) -> None:
        """Remove the merged files if nobody has seen them.

        Where the folders have changed places, however ``install`` ended, the old one stays.
        """
        if self.beside.stat().st_ino == self.made:
            shutil.rmtree(self.beside.parent, ignore_errors=True)


def _groups(folder: Path) -> Iterator[list[Path]]:
    """Small files that make one together, in the order of their names."""
    group: list[Path] = []
    rows = size = 0
    shape: pa.Schema | None = None
    for path in _settled(folder):
        metadata = pq.read_metadata(path)
        more = append.raw_bytes(metadata)
        if 2 * metadata.num_rows >= append.FULL_ROWS or 2 * more >= append.FULL_BYTES:
            continue
        found = metadata.schema.to_arrow_schema()
        full = rows + metadata.num_rows > append.FULL_ROWS or size + more > append.FULL_BYTES
        if group and (full or not found.equals(shape)):
            if len(group) > 1:
                yield group
            group, rows, size = [], 0, 0
        group.append(path)
        rows, size, shape = rows + metadata.num_rows, size + more, found
    if len(group) > 1:
        yield group


def _settled(folder: Path) -> list[Path]:
    """Files that nobody will touch again, by name.

    The newest of each writer is not among them: it may grow, or be taken back where its rows were
    never noted down in the warehouse.
    """
    newest = {match["writer"]: match.string for match in _matches(_WRITTEN, folder)}
    names = {match.string for match in _matches(_WRITTEN, folder)} - set(newest.values())
    names |= {match.string for match in _matches(_MERGED, folder)}
    return [folder / name for name in sorted(names)]


def _matches(pattern: re.Pattern[str], folder: Path) -> list[re.Match[str]]:
    names = sorted(path.name for path in folder.iterdir())
    return [match for name in names if (match := pattern.fullmatch(name))]


def _rows(path: Path) -> pa.Table:
    return pq.ParquetFile(path).read().replace_schema_metadata()


def _in_order(rows: pa.Table) -> pa.Table:
    """Change events as they were stored, which is what who reads them back relies on."""
    if "created_at" not in rows.column_names:
        return rows
    return rows.sort_by("created_at")


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _exchange(first: Path, second: Path) -> None:
    """Let two folders change places in one step."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError as error:
        raise OSError(0, "this system has no renameat2") from error
    names = (os.fsencode(first), os.fsencode(second))
    if rename(_WORKING_FOLDER, names[0], _WORKING_FOLDER, names[1], _EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(first))
