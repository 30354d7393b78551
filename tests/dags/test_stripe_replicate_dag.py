"""The DAG ``stripe_replicate``: a form for what ``stripe-sync syncs replicate`` does."""

from __future__ import annotations

import os
from typing import Any

import pytest

from stripe_sync import create_sync, describe_syncs, get_sync
from stripe_sync.records.canonical_json import dumps, loads

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture(autouse=True)
def shop(
    connections: None, sandbox: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test mode sync, and the live mode key of another account in ``stripe_live_shop``."""
    sandbox.control.add_account("acct_shop")
    sandbox.control.add_key("rk_live_shop", account="acct_shop")
    live = loads(os.environ["AIRFLOW_CONN_STRIPE_DEFAULT"]) | {"password": "rk_live_shop"}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_LIVE_SHOP", dumps(live).decode())
    create_sync(warehouse_url, "default", livemode=False, collections=["customer"])


def run(dags: dict[str, Any], **conf: Any) -> tuple[str, dict[str, str], Any]:
    """State of a run, states of its tasks, and the replication."""
    given = {"source": "default", "target": "shop", "connection_id": "stripe_live_shop"}
    dag_run = dags["stripe_replicate"].test(run_conf={**given, **conf})
    tasks = {task.task_id: task for task in dag_run.get_task_instances()}
    replication = tasks["replicate"].xcom_pull(task_ids="replicate", key="replication")
    return str(dag_run.state), {name: str(t.state) for name, t in tasks.items()}, replication


def backfills() -> list[dict[str, Any]]:
    """What the runs of stripe_backfill were told."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        runs = session.query(DagRun).filter(DagRun.run_id.like("replicate__shop__%"))
        return [dict(run.conf) for run in runs]


def test_it_shows_then_applies_and_starts_the_backfill_once(
    dags: dict[str, Any], warehouse_url: str
) -> None:
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    sync_bag_to_db(DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]), "dags-folder", None)
    before = backfills()

    state, tasks, shown = run(dags, apply=False)
    assert (state, tasks) == ("success", {"replicate": "success", "backfill": "skipped"})
    assert (shown["action"], shown["is_applied"]) == ("create", False)
    assert [sync.name for sync in describe_syncs(warehouse_url)] == ["default"]

    state, tasks, done = run(dags, apply=True)
    assert (state, tasks) == ("success", {"replicate": "success", "backfill": "success"})
    started = [conf for conf in backfills() if conf not in before]
    assert started == [{"sync": "shop", "collections": ["customer"]}]
    assert get_sync(warehouse_url, "shop").connection_id == "stripe_live_shop"
    assert "rk_live_shop" not in str(done)

    count = len(backfills())
    state, tasks, again = run(dags, apply=True)
    assert (state, tasks["backfill"], again["action"]) == ("success", "skipped", "none")
    assert len(backfills()) == count


def test_a_test_mode_key_is_refused_at_once(dags: dict[str, Any], warehouse_url: str) -> None:
    state, tasks, _ = run(dags, apply=True, connection_id="stripe_default")
    assert (state, tasks["replicate"]) == ("failed", "failed")
    assert [sync.name for sync in describe_syncs(warehouse_url)] == ["default"]
