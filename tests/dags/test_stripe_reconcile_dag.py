"""The DAG ``stripe_reconcile``, run against the sandbox."""

from __future__ import annotations

import os
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowException
from psycopg.conninfo import conninfo_to_dict

from stripe_airflow.hooks.connections import SyncConnections, connections_for
from stripe_airflow.hooks.warehouse import warehouse_url as warehouse_url_of
from stripe_airflow.runs.backfill import first_backfill
from stripe_airflow.runs.connected import connect_accounts
from stripe_airflow.runs.reconcile import plan_reconcile_run, summarize_run
from stripe_sync import (
    AccountDisconnected,
    ConfigurationError,
    WarehouseError,
    backfill,
    create_sync,
    get_sync,
    poll_syncs,
)
from stripe_sync.records.canonical_json import dumps, loads
from warehouse_switch import warehouse_switch

pytestmark = pytest.mark.usefixtures("airflow_database", "connections")


def run(dag: Any, **conf: Any) -> tuple[str, dict[str, list[Any]]]:
    """Run a DAG; returns the run's state and its task instances by task.

    Parameters that a test leaves out may still be those of the test before: name what matters.
    """
    dag_run = dag.test(run_conf=conf)
    instances: dict[str, list[Any]] = {}
    for instance in dag_run.get_task_instances():
        instances.setdefault(instance.task_id, []).append(instance)
    return str(dag_run.state), instances


# Of a scheduled run; parameters of the test before would hold otherwise.
DUE = {"sync": None, "collections": [], "window": None, "everything": False}


def execute(warehouse_url: str, statement: str) -> None:
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(statement.encode())


@pytest.fixture
def eu_and_us(sandbox: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two syncs of two accounts, backfilled a month ago, polled to the end; none is ``default``."""
    default = loads(os.environ["AIRFLOW_CONN_STRIPE_DEFAULT"].encode())
    monkeypatch.delenv("AIRFLOW_CONN_STRIPE_DEFAULT")
    for sync in ("eu", "us"):
        account, key = f"acct_{sync}", f"sk_test_{sync}"
        sandbox.control.add_account(account)
        sandbox.control.add_key(key, account=account)
        sandbox.control.seed({"product": 2}, account=account)
        connection = dumps(default | {"password": key}).decode()
        monkeypatch.setenv(f"AIRFLOW_CONN_STRIPE_{sync.upper()}", connection)
        backfill(connections_for(sync), sync, ["product"])
    month_ago = "now() - interval '30 days'"
    execute(
        warehouse_url,
        f"UPDATE stripe_sync.collection_state SET started_at = {month_ago};"
        " UPDATE stripe_sync.poll_state SET polled_at = now() + interval '1 hour'",
    )


def break_a_product(sandbox: Any, sync: str) -> None:
    """Change a product without a Stripe event."""
    [product, _] = sandbox.control.objects("product", account=f"acct_{sync}")
    sandbox.control.mutate("product", product["id"], {"name": "new"}, account=f"acct_{sync}")


def test_a_scheduled_run_reads_what_is_due_of_all_active_syncs(
    dags: dict[str, Any], sandbox: Any, warehouse_url: str, eu_and_us: None
) -> None:
    for sync in ("eu", "us"):
        break_a_product(sandbox, sync)

    state, tasks = run(dags["stripe_reconcile"], **DUE)

    rows = tasks["report"][0].xcom_pull(task_ids="report")
    assert state == "success"
    assert [(row["sync"], row["collection"], row["drift"]) for row in rows] == [
        ("eu", "product", 1),
        ("us", "product", 1),
    ]
    assert {task.rendered_map_index for task in tasks["reconcile"]} == {
        "eu: product",
        "us: product",
    }


def test_a_gap_of_any_sync_is_repaired(warehouse_url: str, eu_and_us: None) -> None:
    execute(
        warehouse_url,
        "UPDATE stripe_sync.collection_state SET started_at = now() - interval '1 second';"
        "INSERT INTO stripe_sync.retention_gaps (sync_id, began_at, ended_at, noted_at, reason)"
        " SELECT id, now() - interval '40 days', now(), now(), 'a gap' FROM stripe_sync.syncs"
        " WHERE name = 'us'",
    )
    due = {"sync": "us", "collection": "product", "window_days": None}
    assert plan_reconcile_run(DUE) == ([due], {})


def test_a_sync_that_fails_holds_no_other_and_is_named(
    dags: dict[str, Any], sandbox: Any, eu_and_us: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_STRIPE_EU")
    break_a_product(sandbox, "us")

    state, tasks = run(dags["stripe_reconcile"], **DUE)

    assert state == "failed"
    assert {(task.task_id, str(task.state)) for name in tasks for task in tasks[name]} == {
        ("plan", "success"),
        ("connect", "success"),
        ("backfill_new", "skipped"),
        ("reconcile", "success"),
        ("report", "failed"),
    }
    [report] = [task.xcom_pull(task_ids="reconcile") for task in tasks["report"]]
    assert [(row["sync"], row["drift"]) for row in report] == [("us", 1)]
    failed = tasks["report"][0].xcom_pull(task_ids="plan", key="failed")
    assert list(failed) == ["eu"]
    assert "lacks a connection" in failed["eu"]


def test_a_paused_sync_is_left_out(warehouse_url: str, eu_and_us: None) -> None:
    execute(warehouse_url, "UPDATE stripe_sync.syncs SET status = 'paused' WHERE name = 'eu'")

    tasks, failed = plan_reconcile_run(DUE)

    assert ([task["sync"] for task in tasks], failed) == (["us"], {})


def test_the_report_names_the_syncs_that_are_not_polled(
    warehouse_url: str, eu_and_us: None
) -> None:
    execute(
        warehouse_url,
        "UPDATE stripe_sync.poll_state SET polled_at = now() - interval '1 hour'"
        " WHERE sync_id = (SELECT id FROM stripe_sync.syncs WHERE name = 'us')",
    )

    with pytest.raises(AirflowException, match=r"^sync us: not polled since [^;]*$"):
        summarize_run(DUE, [], None, None)
    assert summarize_run({**DUE, "sync": "eu"}, [], None, None) == []
    # A run of chosen collections reports whether it has read them.
    assert summarize_run({**DUE, "collections": ["product"]}, [], None, None) == []


def test_a_run_without_any_sync_succeeds_and_reads_nothing(
    dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_STRIPE_DEFAULT")

    state, tasks = run(dags["stripe_reconcile"], **DUE)

    assert state == "success"
    assert {str(task.state) for task in tasks["reconcile"]} == {"skipped"}
    assert tasks["report"][0].xcom_pull(task_ids="report") == []


def test_chosen_collections_are_repaired_and_their_drift_is_listed(
    dags: dict[str, Any], sandbox: Any
) -> None:
    sandbox.control.seed({"customer": 4, "product": 2})
    run(dags["stripe_backfill"], collections=["customer", "product"], since=None)
    customer = sandbox.control.objects("customer")[0]["id"]
    sandbox.control.mutate("customer", customer, {"name": "Paul Atreides"})
    sandbox.control.remove("customer", sandbox.control.objects("customer")[1]["id"])

    state, tasks = run(dags["stripe_reconcile"], collections=["customer", "product"])

    rows = tasks["report"][0].xcom_pull(task_ids="report")
    assert state == "success"
    assert {task.rendered_map_index for task in tasks["reconcile"]} == {
        "default: customer",
        "default: product",
    }
    found = [(row["collection"], row["drift"], row["repaired"], row["deleted"]) for row in rows]
    assert found == [("customer", 2, 1, 1), ("product", 0, 0, 0)]


def test_a_window_limits_what_is_read(dags: dict[str, Any], sandbox: Any) -> None:
    sandbox.control.seed({"customer": 3}, start=1_600_000_000, end=1_600_000_900)
    run(dags["stripe_backfill"], collections=["customer"], since=None)

    _, tasks = run(dags["stripe_reconcile"], collections=["customer"], window=7)

    [row] = tasks["report"][0].xcom_pull(task_ids="report")
    assert (row["window_days"], row["objects"]) == (7, 0)


def test_the_report_names_the_collections_that_failed() -> None:
    plan = [{"sync": "eu", "collection": "customer"}, {"sync": "us", "collection": "customer"}]
    done = [{"sync": "eu", "collection": "customer", "status": "done"}]
    chosen = {**DUE, "collections": ["customer"]}
    with pytest.raises(
        AirflowException, match=r"^1 of 2 collections were not read again: us: customer$"
    ):
        summarize_run(chosen, plan, {}, done)
    with pytest.raises(AirflowException, match="sync us was not reconciled: no connection"):
        summarize_run(chosen, plan[:1], {"us": "no connection"}, done)
    with pytest.raises(AirflowException, match="'plan' failed"):
        summarize_run(chosen, None, None, None)


def test_it_runs_every_15_minutes(dags: dict[str, Any]) -> None:
    assert dags["stripe_reconcile"].timetable.expression == "*/15 * * * *"


@pytest.fixture
def platform(sandbox: Any) -> str:
    """A platform with two connected accounts, all of which are to be synced; returns its URL."""
    for account in ("acct_1", "acct_2"):
        sandbox.control.add_account(account)
        sandbox.control.seed({"product": 1}, account=account)
    url = warehouse_url_of()
    settings = {"connected_accounts": "all"}
    create_sync(url, "default", livemode=False, collections=["product"], settings=settings)
    return url


def test_new_connected_accounts_get_a_sync_and_a_backfill_once(
    dags: dict[str, Any], platform: str
) -> None:
    _, tasks = run(dags["stripe_reconcile"], **DUE)

    assert {str(task.state) for task in tasks["backfill_new"]} == {"success"}
    names = {"default-acct_1", "default-acct_2"}
    assert {task.rendered_map_index for task in tasks["backfill_new"]} == names
    # The runs wait for their turn: they are not triggered once more.
    _, tasks = run(dags["stripe_reconcile"], **DUE)
    assert {str(task.state) for task in tasks["backfill_new"]} == {"skipped"}
    for name in names:
        backfill(connections_for(name), name)
    assert connect_accounts(DUE) == ([], {})


def test_a_sync_gets_the_backfill_that_its_creator_did_not_start(warehouse_url: str) -> None:
    for name, wanted in (("eu", True), ("us", False)):
        options = {"collections": ["product"], "connection_id": "stripe_default"}
        create_sync(warehouse_url, name, livemode=False, backfill=wanted, **options)

    [run], failed = connect_accounts(DUE)

    assert (run, failed) == (first_backfill(get_sync(warehouse_url, "eu")), {})
    assert connect_accounts({**DUE, "sync": "us"}) == ([], {})
    backfill(connections_for("eu"), "eu")
    assert connect_accounts(DUE) == ([], {})


def test_a_disconnected_account_is_left_out_until_it_has_access_again(
    sandbox: Any, platform: str
) -> None:
    connect_accounts(DUE)
    for name in ("default-acct_1", "default-acct_2"):
        backfill(connections_for(name), name)
    sandbox.control.disconnect("acct_1")
    with pytest.raises(AccountDisconnected):
        poll_syncs(connections_for, platform, seconds=5, syncs=["default-acct_1"])
    everything = "UPDATE stripe_sync.collection_state SET started_at = now() - interval '30 days'"
    execute(platform, everything)

    assert connect_accounts(DUE) == ([], {})
    tasks, failed = plan_reconcile_run(DUE)
    assert ({task["sync"] for task in tasks}, failed) == ({"default-acct_2"}, {})

    sandbox.control.add_account("acct_1")
    execute(platform, "UPDATE stripe_sync.collection_state SET status = 'failed'")
    [again], failed = connect_accounts(DUE)
    assert (again["conf"], failed) == (
        {"sync": "default-acct_1", "collections": ["product"]},
        {},
    )
    assert get_sync(platform, "default-acct_1").status == "active"


def test_a_platform_that_cannot_be_asked_is_named_and_holds_no_other(
    sandbox: Any, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_sync(platform, "broken", livemode=False, settings={"connected_accounts": "all"})
    found, failed = connect_accounts(DUE)
    assert {each["conf"]["sync"] for each in found} == {"default-acct_1", "default-acct_2"}
    assert list(failed) == ["broken"]
    with pytest.raises(AirflowException, match="sync broken: not all of its connected accounts"):
        summarize_run({**DUE, "sync": "broken"}, [], {}, [], failed)
    assert connect_accounts({**DUE, "collections": ["product"]}) == ([], {})


def test_many_syncs_take_one_query_and_are_known_while_the_warehouse_is_down(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_sync(platform, "eu", livemode=False, connection_id="stripe_default")
    with warehouse_switch(platform) as switch:
        parts = loads(os.environ["AIRFLOW_CONN_STRIPE_WAREHOUSE"].encode())
        there = conninfo_to_dict(switch.url)
        through = {"host": there["host"], "port": 5432}
        monkeypatch.setenv("AIRFLOW_CONN_STRIPE_WAREHOUSE", dumps(parts | through).decode())
        connections = SyncConnections()
        first = connections("default")
        switch.off()

        # The query for the first has found all others, too.
        assert connections("eu").credential == first.credential
        assert connections("default") == first
        with pytest.raises(WarehouseError):
            connections("us")
        switch.on()
        with pytest.raises(ConfigurationError, match="stripe_us"):
            connections("us")
