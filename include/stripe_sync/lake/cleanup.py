"""Cleanup: removes temporary files of killed writers and folders that compaction replaced."""

from __future__ import annotations

import posixpath
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from stripe_sync.lake import atomic_write
from stripe_sync.lake.compaction import STAGING
from stripe_sync.lake.store import Lake, explain


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
