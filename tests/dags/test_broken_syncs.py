"""Every DAG works over all syncs; one that cannot be opened is reported and stops no other."""

from __future__ import annotations

import os
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowException

from dags.test_stripe_poll_dag import run_until, sensor
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.operators.maintain import StripeMaintainOperator
from stripe_airflow.runs.maintain import plan_maintain_run
from stripe_airflow.runs.reconcile import plan_reconcile_run, summarize_run
from stripe_sync import ConfigurationError, backfill, create_sync
from stripe_sync.records.canonical_json import dumps, loads

pytestmark = pytest.mark.usefixtures("connections", "three")


@pytest.fixture
def three(sandbox: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three syncs: ``keyless`` has no connection, ``unknown`` a setting that nobody knows."""
    key = os.environ["AIRFLOW_CONN_STRIPE_DEFAULT"]
    monkeypatch.delenv("AIRFLOW_CONN_STRIPE_DEFAULT")
    for sync in ("good", "unknown"):
        sandbox.control.add_account(f"acct_{sync}")
        sandbox.control.add_key(f"sk_test_{sync}", account=f"acct_{sync}")
        fields = loads(key) | {"password": f"sk_test_{sync}"}
        monkeypatch.setenv(f"AIRFLOW_CONN_STRIPE_{sync.upper()}", dumps(fields).decode())
        create_sync(warehouse_url, sync, livemode=False, collections=["customer"])
    create_sync(warehouse_url, "keyless", livemode=False)
    sandbox.control.seed({"customer": 2}, account="acct_good")
    backfill(connections_for("good"), "good")
    execute(
        warehouse_url,
        """UPDATE stripe_sync.syncs SET overrides = '{"color": "red"}' WHERE name = 'unknown'""",
    )


def execute(warehouse_url: str, statement: str) -> list[Any]:
    with psycopg.connect(warehouse_url) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


CAUSES = {"keyless": "lacks a connection", "unknown": "unknown sync setting: 'color'"}


def test_polling(warehouse_url: str) -> None:
    def polled() -> dict[str, tuple[int, str | None]]:
        rows = execute(
            warehouse_url,
            "SELECT name, polls, message FROM stripe_sync.poll_state p"
            " JOIN stripe_sync.syncs s ON s.id = p.sync_id",
        )
        return {name: (polls, message) for name, polls, message in rows}

    def is_known() -> bool:
        found = polled()
        return found["good"][0] > 0 and all(found[sync][1] for sync in CAUSES)

    assert run_until(is_known, sensor(syncs=[]))["polls"] > 0
    assert polled()["good"][1] is None
    for sync, cause in CAUSES.items():
        assert cause in str(polled()[sync][1])


def test_reconciling() -> None:
    every = {"sync": None, "collections": [], "window": None, "everything": True}
    planned, failed = plan_reconcile_run(every)
    assert [(task["sync"], task["collection"]) for task in planned] == [("good", "customer")]
    assert failed.keys() == CAUSES.keys()
    for sync, cause in CAUSES.items():
        assert cause in failed[sync]
    done = [{**planned[0], "status": "done"}]
    with pytest.raises(AirflowException) as caught:
        summarize_run(every, planned, failed, done)
    assert all(f"sync {sync} was not reconciled" in str(caught.value) for sync in CAUSES)
    assert "good" not in str(caught.value)


def test_maintaining() -> None:
    """Each sync is a task of its own, which fails for itself."""
    planned = plan_maintain_run({"sync": None})
    assert {task["sync"] for task in planned} == {"good", *CAUSES}
    for task in planned:
        operator = StripeMaintainOperator(task_id="maintain", **task)
        if cause := CAUSES.get(task["sync"]):
            with pytest.raises(ConfigurationError, match=cause):
                operator.execute({})
        else:
            assert operator.execute({})["sync"] == "good"
