"""Programs of other people read every row once, at any moment."""

from __future__ import annotations

import os
from pathlib import Path

from lake_readers import EVERY_READER, READERS, ReaderTest

STEPS = int(os.environ.get("STRIPE_SYNC_TEST_READER_STEPS", "20"))
"""Flushes and backfills; `make soak` has more, and Spark where it is installed."""


def test_readers_beside_flush_backfill_and_merge(tmp_path: Path) -> None:
    test = ReaderTest(tmp_path, READERS if STEPS <= 20 else EVERY_READER)
    test.run(iter(range(1, STEPS + 1)))
    for name, reads in test.reads.items():
        assert reads.right >= 2, name
    merged = tmp_path.glob("default/records/*/merged-*.parquet")
    assert len(list(merged)) >= 2
