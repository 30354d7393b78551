"""The lake: Parquet files of records and change events."""

from __future__ import annotations

from stripe_sync.lake.compacting import Compactor
from stripe_sync.lake.growing import Part
from stripe_sync.lake.history import History
from stripe_sync.lake.store import Lake
from stripe_sync.lake.sweeping import sweep

__all__ = ["Compactor", "History", "Lake", "Part", "sweep"]
