"""The package for other dbt projects: a user's project installs it and selects from the views."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbt.conftest import PROJECT
from stripe_sync.records import canonical_json

pytestmark = pytest.mark.dbt

PACKAGE = PROJECT / "packages" / "stripe_sources"
STEPS = (["deps"], ["build"], ["source", "freshness", "--select", "source:stripe.poll_status"])
RUN = f"""
import os, sys
from dbt.cli.main import dbtRunner
os.chdir({{folder!r}})
for step in {STEPS!r}:
    if not dbtRunner().invoke([*step, "--profiles-dir", {str(PROJECT)!r}]).success:
        sys.exit(f"{{{{step}}}} failed")
"""


@pytest.fixture(scope="module")
def users_project(project: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one model, whose steps all succeeded."""
    folder = tmp_path_factory.mktemp("users_project")
    (folder / "models").mkdir()
    (folder / "dbt_project.yml").write_text(
        "name: shop\nversion: 1.0.0\nprofile: stripe_views\nmodels:\n  +schema: reports\n"
    )
    (folder / "packages.yml").write_text(f"packages:\n  - local: {PACKAGE}\n")
    (folder / "models" / "names.sql").write_text(
        "select customers.id, customers.name, charges.amount\n"
        "from {{ source('stripe', 'customers') }} as customers\n"
        "left join {{ source('stripe', 'charges') }} as charges\n"
        "    on charges.customer = customers.id and charges._sync_id = customers._sync_id\n"
        "where not customers._deleted\n"
    )
    with psycopg.connect(project.url) as connection:
        connection.execute(
            "INSERT INTO stripe_sync.poll_state (sync_id, polled_at)"
            " SELECT id, now() FROM stripe_sync.syncs"
        )
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(folder=str(folder))],
        env=project.environment("stripe"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_model_selects_from_the_views_and_none_is_built_twice(
    users_project: Path, project: Any
) -> None:
    with psycopg.connect(project.url) as connection:
        rows = connection.execute(
            "SELECT name, amount FROM stripe_reports.names WHERE id = 'cus_1'"
        ).fetchall()
        built = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'stripe_reports'::regnamespace"
        ).fetchall()
    assert rows == [('Žofie 🦊 O\'Neil \\ "quoted"', 9007199254740993)]
    assert built == [("names",)]


def test_the_package_has_every_view_with_its_columns(users_project: Path, project: Any) -> None:
    manifest = canonical_json.loads((users_project / "target" / "manifest.json").read_bytes())
    sources = {source["name"]: source for source in manifest["sources"].values()}
    with psycopg.connect(project.url) as connection:
        columns: dict[str, set[str]] = {}
        for view, column in connection.execute(
            "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
            " WHERE relnamespace = 'stripe'::regnamespace AND relkind = 'v' AND attnum > 0"
        ):
            columns.setdefault(view, set()).add(column)
    assert set(sources) == set(columns)
    assert len(columns) > 100
    for name, source in sources.items():
        assert source["description"], name
        assert source["relation_name"].endswith(f'"stripe"."{name}"')
        if not name.endswith("_history"):
            assert set(source["columns"]) == columns[name], name
            assert all(column["description"] for column in source["columns"].values())


def test_freshness_is_that_of_the_syncs(users_project: Path) -> None:
    found = canonical_json.loads((users_project / "target" / "sources.json").read_bytes())
    assert [result["status"] for result in found["results"]] == ["pass"]
