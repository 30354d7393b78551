"""Programs of other people read every row once, at any moment."""

from __future__ import annotations

from pathlib import Path

from lake_readers import READERS, ReaderTest


def test_readers_beside_flush_backfill_and_merge(tmp_path: Path) -> None:
    test = ReaderTest(tmp_path)
    test.run(iter(range(1, 31)))
    for name in READERS:
        assert test.reads[name].right > 2, name
    merged = tmp_path.glob("default/records/*/merged-*.parquet")
    assert len(list(merged)) == 2
