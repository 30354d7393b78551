"""What killed writers left, and what was replaced long ago."""

from __future__ import annotations

import posixpath
import shutil
from datetime import datetime
from pathlib import Path

from stripe_sync.lake import placing
from stripe_sync.lake.compacting import BESIDE
from stripe_sync.lake.store import Lake, explain


def sweep(lake: Lake, before: datetime) -> int:
    """Remove temporary files and folders.

    Args:
        lake: The lake.
        before: Only what was last touched before this moment, so that nobody uses it any more.

    Returns:
        How many files and folders were removed.

    Raises:
        LakeError: The lake cannot be read or written.
    """
    files, root = lake.place
    with explain("sweep", root):
        old = [
            path
            for path in files.find(root)
            if posixpath.basename(path).startswith(placing.TEMPORARY)
            and files.modified(path) < before
        ]
        for path in old:
            files.rm_file(path)
        if not placing.is_local(files):
            return len(old)
        folders = [
            folder
            for folder in Path(root).glob(f"{BESIDE}*")
            if folder.stat().st_mtime < before.timestamp()
        ]
        for folder in folders:
            shutil.rmtree(folder)
        return len(old) + len(folders)
