"""Everything that a sync has written anywhere, as text: to search it for what must not be there."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pyarrow.parquet as pq
from psycopg import sql

from sync_harness import SyncHarness

SCHEMAS = ("stripe", "stripe_raw", "stripe_sync")


def written(harness: SyncHarness) -> dict[str, str]:
    """Text of each table, and of each file below the lake, hidden ones too, by name."""
    return {**_tables(harness.connections.warehouse_url), **_files(harness.connections.lake_url)}


def places(harness: SyncHarness, *texts: str) -> list[str]:
    """Names of the tables and files that contain one of some texts."""
    return sorted(
        name for name, content in written(harness).items() if any(text in content for text in texts)
    )


def _tables(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY (%s)",
            [list(SCHEMAS)],
        ).fetchall()
        query = "SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {} AS t"
        texts = {}
        for schema, table in found:
            name = sql.Identifier(schema, table)
            row = connection.execute(sql.SQL(query).format(name)).fetchone()
            texts[f"{schema}.{table}"] = row[0] if row else ""
        return texts


def _files(folder: str) -> dict[str, str]:
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {str(path): _text(path) for path in files}


def _text(path: Path) -> str:
    if path.suffix != ".parquet":
        return path.read_bytes().decode("utf-8", "replace")
    return "\n".join(str(row) for row in pq.ParquetFile(path).read().to_pylist())
