"""Cleanup: removes temporary files of killed writers and folders that compaction replaced."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from stripe_sync.lake import atomic_write
from stripe_sync.lake.compaction import STAGING
from stripe_sync.lake.store import Lake, explain

PART_FILES = 500
"""Files that one call of the driver removes."""

_FOLDERS = ("events", "records", "set_aside")


def remove_files(lake: Lake) -> Iterator[int]:
    """Remove all files that syncs write to a sync's folder, and the folder if nothing else is left.

    Args:
        lake: The lake.

    Yields:
        After each part the number of files removed.

    Raises:
        LakeError: The lake cannot be read or written; what was removed stays removed.
    """
    files, root = lake.location
    with explain("delete", root):
        if not files.exists(root):
            return
        found = (path.rstrip("/") for path in files.ls(root, detail=False))
        folders = [path for path in found if _is_ours(posixpath.basename(path))]
    for folder in folders:
        with explain("delete", root):
            paths = files.find(folder)
        for start in range(0, len(paths), PART_FILES):
            part = paths[start : start + PART_FILES]
            with explain("delete", root):
                files.rm(part)
            yield len(part)
        with explain("delete", root), suppress(FileNotFoundError):
            files.rm(folder, recursive=True)
    with suppress(OSError):  # other files are in it, or the store has no folders
        files.rmdir(root)


def _is_ours(name: str) -> bool:
    return name in _FOLDERS or name.startswith((atomic_write.TEMPORARY, STAGING))


def remove_leftovers(lake: Lake, before: datetime) -> int:
    """Remove temporary files and folders.

    Args:
        lake: The lake.
        before: Only those last modified before this time, so that no process uses them any more.

    Returns:
        Number of removed files and folders.

    Raises:
        LakeError: The lake cannot be read or written.
    """
    files, root = lake.location
    removed = 0
    with explain("clean up", root):
        for path in files.find(root):
            if posixpath.basename(path).startswith(atomic_write.TEMPORARY):
                with suppress(FileNotFoundError):  # its writer has renamed it meanwhile
                    if files.modified(path) < before:
                        files.rm_file(path)
                        removed += 1
        if atomic_write.is_local(files):
            for folder in Path(root).glob(f"{STAGING}*"):
                with suppress(FileNotFoundError):
                    if folder.stat().st_mtime < before.timestamp():
                        shutil.rmtree(folder)
                        removed += 1
    return removed
