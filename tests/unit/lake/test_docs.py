"""The examples of ``docs/lake.md`` run as printed, and give the current state."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from lake_readers import HAS_SPARK, READERS
from stripe_sync.lake import BackfillFile, Compactor, Lake, Part
from stripe_sync.records.changes.diff import decide
from unit.records.changes.observations import NOON, batch, observation

ROOT = Path(__file__).resolve().parents[3]
DOCS = (ROOT / "docs" / "lake.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CREATED = datetime.fromtimestamp(60, UTC)
CURRENT = {("cus_0", CREATED, "new@x.org"), ("cus_1", CREATED, "old@x.org"), ("cus_3", None, None)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a lake: one customer has changed, one is deleted."""
    monkeypatch.chdir(tmp_path)
    lake = Lake(".stack/lake", "default")
    old = {"created": 60, "email": "old@x.org"}
    found = [observation(old, upstream_id=f"cus_{n}") for n in range(3)]
    first = decide(batch(*found, observation({}, upstream_id="cus_3")), {}, (), NOON)
    name = BackfillFile("customer", 1, 1, "0123abcd").name
    lake.write_chunk(name, first.records, first.events)
    stored = {(each.collection_id, each.upstream_id): each for each in first.records}
    for number, later in enumerate(
        (
            observation({**old, "email": "not@x.org"}, when=1, upstream_id="cus_0"),
            observation({**old, "email": "new@x.org"}, when=2, upstream_id="cus_0"),
            observation(old, when=1, upstream_id="cus_2", deleted=True),
            observation({}, when=1, upstream_id="in_1", collection_id="stripe:invoice"),
        ),
        start=1,
    ):
        change = decide(batch(later), stored, (), NOON + timedelta(seconds=number))
        stored |= {(each.collection_id, each.upstream_id): each for each in change.records}
        lake.append_part(Part(number, number), change.records, change.events)
    return tmp_path


def example(heading: str) -> str:
    """The block of code after a heading."""
    [code] = re.findall(rf"^{heading}:\n\n```\w+\n(.*?)^```$", DOCS, re.M | re.S)
    return str(code)


def run(heading: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(example(heading), heading, "exec"), names)
    return names


def test_duckdb(folder: Path) -> None:
    with duckdb.connect() as connection:
        found = connection.execute(example("DuckDB")).fetchall()
    assert set(found) == CURRENT


def test_duckdb_of_the_readme(folder: Path) -> None:
    [query] = re.findall(r"^```sql\n(-- DuckDB\n.*?)^```$", README, re.M | re.S)
    with duckdb.connect() as connection:
        found = set(connection.execute(query).fetchall())
    assert found == {(name, email) for name, _, email in CURRENT} | {("cus_2", "old@x.org")}


def test_polars(folder: Path) -> None:
    customers: pl.DataFrame = run("polars")["customers"]
    assert set(customers.rows()) == CURRENT


def test_pandas(folder: Path) -> None:
    customers: pd.DataFrame = run("pandas")["customers"]
    rows = customers.astype(object).where(customers.notna(), None)
    assert set(rows.itertuples(index=False, name=None)) == CURRENT


@pytest.mark.skipif(not HAS_SPARK, reason="needs pyspark and java")
def test_spark(folder: Path) -> None:
    rows = run("Spark")["customers"].toArrow().to_pylist()
    assert {tuple(row.values()) for row in rows} == CURRENT


def test_this_package(folder: Path) -> None:
    found = run("With this package, also from an object store")
    assert set(found["customers"]["upstream_id"]) == {"cus_0", "cus_1", "cus_2", "cus_3"}
    assert list(found["history"]["event_type"]) == ["created"] * 4 + [
        "updated",
        "updated",
        "deleted",
    ]


def test_links_outlast_a_merge(folder: Path) -> None:
    [command] = re.findall(r"^```sh\n(.*?)^```$", DOCS, re.M | re.S)
    subprocess.run(command, shell=True, check=True)
    before = Path(".stack/lake/default/records")
    links = Path(".stack/records-of-this-job")
    expected = {name: read(before).num_rows for name, read in READERS.items()}
    compactor = Compactor(Lake(".stack/lake", "default"))
    [prepared] = filter(None, map(compactor.prepare, compactor.folders("customer")[:1]))
    assert prepared.install()
    assert expected == dict.fromkeys(READERS, 8)
    assert {name: read(links).num_rows for name, read in READERS.items()} == expected
