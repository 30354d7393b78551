"""The public functions without Airflow: the script of README and the examples of docstrings."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

import stripe_sync
from stripe_sandbox.server import Running
from stripe_sync import (
    Connections,
    Credential,
    SyncBusy,
    SyncSettings,
    backfill,
    reload,
    status,
)
from stripe_sync.records import ids
from stripe_sync.warehouse import Warehouse

README = Path(__file__).parents[2] / "README.md"
MAX_LINES = 15


@pytest.fixture
def connections(sandbox: Running, warehouse_url: str, tmp_path: Path) -> Connections:
    """Connections to the sandbox, an empty warehouse and an empty lake."""
    credential = Credential(sandbox.api_key, sandbox.base_url)
    return Connections(credential, warehouse_url, str(tmp_path / "lake"))


def test_the_script_of_readme_syncs_as_printed(
    sandbox: Running, warehouse_url: str, tmp_path: Path
) -> None:
    sandbox.control.demo()
    [section] = re.findall(r"^## Without Airflow\n(.*?)^## ", README.read_text(), re.M | re.S)
    [script] = re.findall(r"^```python\n(.*?)^```$", section, re.M | re.S)
    environment = {
        **os.environ,
        "STRIPE_API_KEY": sandbox.api_key,
        "STRIPE_API_BASE": sandbox.base_url,
        "WAREHOUSE_URL": warehouse_url,
    }

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert len(script.splitlines()) <= MAX_LINES
    with psycopg.connect(warehouse_url) as connection:
        stored = dict(
            connection.execute(
                "SELECT collection_id, count(*) FROM stripe_raw.records GROUP BY 1"
            ).fetchall()
        )
        polls = connection.execute("SELECT polls FROM stripe_sync.poll_state").fetchone()
    for collection in ("customer", "invoice"):
        objects = len(sandbox.control.objects(collection))
        assert stored[f"stripe:{collection}"] == objects > 0
        assert re.search(rf"^{collection}\b.*\bdone\b.*\b{objects}\b", done.stdout, re.M)
    assert polls is not None
    assert polls[0] > 0


def test_the_examples_of_docstrings_run(
    sandbox: Running, connections: Connections, tmp_path: Path
) -> None:
    sandbox.control.seed({"customer": 3})
    path = tmp_path / "syncs.yaml"
    path.write_text("syncs: [{name: north}, {name: south}]")
    live = replace(connections, credential=Credential("sk_live_sandbox", sandbox.base_url))
    names = {"connections": connections, "live": live, "path": path}
    runner = doctest.DocTestRunner()
    order = (
        "backfill",
        "poll",
        "check_syncs",
        "reconcile",
        "reload",
        "maintain",
        "status",
        "list_syncs",
        "fetch_account_id",
        "describe_syncs",
        "get_sync",
        "sync_settings",
        "sync_status",
        "describe_overview",
        "sync_activity",
        "read_sync_file",
        "plan_apply",
        "apply_syncs",
        "replicate_sync",
        "create_sync",
        "update_sync",
        "pause_sync",
        "resume_sync",
        "delete_sync",
    )
    finder = doctest.DocTestFinder(recurse=False)
    for name in order:
        function = getattr(stripe_sync, name)
        for test in finder.find(function, name, globs=dict(names)):
            assert test.examples, name
            runner.run(test)

    assert runner.summarize().failed == 0


def test_one_collection_that_fails_does_not_stop_the_others(
    sandbox: Running, connections: Connections
) -> None:
    sandbox.control.seed({"customer": 2, "product": 2})
    with (
        Warehouse(connections.warehouse_url) as warehouse,
        warehouse.locks.backfill(ids.sync_id("default"), "stripe:customer"),
        pytest.raises(SyncBusy, match="customer"),
    ):
        backfill(connections, collections=["customer", "product"])

    states = {state.collection: state.status for state in status(connections)}
    assert states == {"customer": "pending", "product": "done"}


def test_a_lost_warehouse_is_restored_without_stripe(
    sandbox: Running, connections: Connections, empty_database_url: str
) -> None:
    sandbox.control.seed({"customer": 4})
    backfill(connections, collections=["customer"])
    requests = sandbox.control.stats()["requests"]
    lost = Connections(
        connections.credential, empty_database_url, connections.lake_url, SyncSettings()
    )

    [report] = reload(lost)

    assert (report.collection, report.records) == ("customer", 4)
    assert sandbox.control.stats()["requests"] == requests
