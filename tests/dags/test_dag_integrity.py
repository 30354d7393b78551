"""What every DAG must have."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DAGS = Path(__file__).parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))
IDS = [
    "stripe_backfill",
    "stripe_dbt",
    "stripe_deliver",
    "stripe_erase",
    "stripe_maintain",
    "stripe_mutate",
    "stripe_poll",
    "stripe_reconcile",
    "stripe_reload",
    "stripe_replicate",
    "stripe_sync_admin",
]


def test_the_folder_holds_these_dags_and_no_file_fails_to_import(dags: dict[str, Any]) -> None:
    assert sorted(dags) == IDS


@pytest.mark.parametrize("dag_id", IDS)
def test_a_dag_has_an_owner_tags_and_documentation(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags[dag_id]

    assert dag.owner == "stripe"
    assert "stripe" in dag.tags
    assert "**By hand:**" in dag.doc_md
    assert "make airflow" in dag.doc_md
    assert "/api/v2/" in dag.doc_md


@pytest.mark.parametrize("dag_id", IDS)
def test_a_dag_neither_catches_up_nor_runs_twice_at_once(dags: dict[str, Any], dag_id: str) -> None:
    assert dags[dag_id].catchup is False
    # A mutation that waits for approval must not hold up others.
    assert dags[dag_id].max_active_runs == (100 if dag_id == "stripe_mutate" else 1)


@pytest.mark.parametrize("dag_id", IDS)
def test_every_task_is_tried_again_except_those_that_only_report(
    dags: dict[str, Any], dag_id: str
) -> None:
    without = {task.task_id for task in dags[dag_id].tasks if not task.retries}

    assert without <= {"report"}


@pytest.mark.parametrize("dag_id", ["stripe_backfill", "stripe_reconcile", "stripe_reload"])
def test_tasks_that_read_whole_collections_share_a_pool(dags: dict[str, Any], dag_id: str) -> None:
    pools = {task.pool for task in dags[dag_id].tasks if task.is_mapped}

    assert pools == {"stripe_backfill"}
    assert {task.pool for task in dags[dag_id].tasks if not task.is_mapped} == {"default_pool"}


@pytest.mark.parametrize("dag_id", IDS)
def test_no_dag_pauses_itself_however_often_it_fails(dags: dict[str, Any], dag_id: str) -> None:
    """An outage ends by itself; a DAG that Airflow has paused does not go on after it."""
    assert dags[dag_id].max_consecutive_failed_dag_runs == 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_dag_file_is_wiring_only(file: Path) -> None:
    text = file.read_text()

    assert len(text.splitlines()) <= 60
    modules = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    roots = {str(module).partition(".")[0] for module in modules}
    assert roots <= {"__future__", "airflow", "collections", "datetime", "stripe_airflow", "typing"}


def test_reading_the_dag_files_loads_nothing_heavy() -> None:
    program = f"""
import sys, runpy
for file in {[str(file) for file in FILES]!r}:
    runpy.run_path(file)
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run(  # a process of its own: this one has loaded everything
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    loaded = set(done.stdout.split())
    heavy = {"stripe", "aiohttp", "psycopg", "pyarrow", "pandas", "alembic", "dbt", "starlette"}
    assert not loaded & (heavy | {"stripe_sandbox"})
