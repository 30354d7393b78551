"""The lake: Parquet files of records and change events."""

from __future__ import annotations

from stripe_sync.lake.append import Part
from stripe_sync.lake.cleanup import remove_files, remove_leftovers
from stripe_sync.lake.compaction import Compactor
from stripe_sync.lake.erasure import LakeErasure
from stripe_sync.lake.file_names import BackfillFile
from stripe_sync.lake.reader import LakeReader
from stripe_sync.lake.store import Lake

__all__ = [
    "BackfillFile",
    "Compactor",
    "Lake",
    "LakeErasure",
    "LakeReader",
    "Part",
    "remove_files",
    "remove_leftovers",
]
