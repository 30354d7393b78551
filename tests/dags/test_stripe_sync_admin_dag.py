"""The DAG ``stripe_sync_admin``: a form for what ``stripe-sync syncs`` does."""

from __future__ import annotations

import os
from typing import Any

import pytest

from stripe_airflow.params import sync_admin_params
from stripe_airflow.runs.sync_admin import run_action
from stripe_sync import SyncConflict, SyncNotFound, create_sync, describe_syncs, get_sync

pytestmark = pytest.mark.usefixtures("airflow_database", "connections")


def run(dags: dict[str, Any], action: str, sync: str = "default", **conf: Any) -> str:
    form = {"action": action, "sync": sync, "live": False, "backfill": True, **conf}
    dag_run = dags["stripe_sync_admin"].test(run_conf=form)
    return str(dag_run.state)


def test_a_sync_is_created_changed_paused_and_resumed(
    dags: dict[str, Any], warehouse_url: str
) -> None:
    created = {"collections": ["customer"], "settings": {"max_age_days": 30}, "live": True}
    assert run(dags, "create", "eu", **created) == "success"  # its connection is made later
    sync = get_sync(warehouse_url, "eu")
    assert (sync.livemode, sync.collection_ids) == (True, ("stripe:customer",))

    run(dags, "update", "eu", external_id="tenant-1", settings={"max_age_days": None})
    sync = get_sync(warehouse_url, "eu")
    assert (sync.external_id, sync.settings) == ("tenant-1", {})
    assert sync.collection_ids == ("stripe:customer",)
    for action, status in (("pause", "paused"), ("resume", "active")):
        assert run(dags, action, "eu") == "success"
        assert get_sync(warehouse_url, "eu").status == status


def test_a_deletion_needs_the_name_twice(
    dags: dict[str, Any], sandbox: Any, warehouse_url: str
) -> None:
    sandbox.control.seed({"customer": 2})
    dags["stripe_backfill"].test(run_conf={"collections": ["customer"]})

    assert run(dags, "delete", drop_data=True, confirm="eu") == "failed"
    assert get_sync(warehouse_url, "default").status == "active"

    assert run(dags, "delete", drop_data=True, confirm="default") == "success"
    with pytest.raises(SyncNotFound):
        get_sync(warehouse_url, "default")


def test_a_new_sync_starts_with_its_backfill(dags: dict[str, Any], warehouse_url: str) -> None:
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    sync_bag_to_db(DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]), "dags-folder", None)

    assert run(dags, "create", "us", connection_id="stripe_default") == "success"
    assert run(dags, "create", "uk", connection_id="stripe_default", backfill=False) == "success"

    with create_session() as session:
        runs = session.query(DagRun).filter(DagRun.run_id.like("first__u%"))
        assert [each.conf for each in runs] == [{"sync": "us"}]
    assert [sync.name for sync in describe_syncs(warehouse_url)] == ["uk", "us"]


def test_a_task_that_was_killed_before_its_sync_had_a_backfill_is_retried(
    warehouse_url: str,
) -> None:
    form = {name: param.value for name, param in sync_admin_params().items()}
    form |= {"action": "create", "sync": "us", "connection_id": "stripe_default"}
    [first], created = run_action(form)

    assert run_action(form, is_retry=True) == ([first], created)

    with pytest.raises(SyncConflict):
        run_action(form)
    create_sync(warehouse_url, "uk", livemode=False)  # somebody else's
    with pytest.raises(SyncConflict):
        run_action({**form, "sync": "uk"}, is_retry=True)


@pytest.mark.parametrize("mistake", [{"live": True}, {"connection_id": "stripe_typo"}])
def test_a_sync_that_its_key_cannot_fill_is_not_created(
    dags: dict[str, Any], warehouse_url: str, mistake: dict[str, Any]
) -> None:
    assert run(dags, "create", **mistake) == "failed"

    assert describe_syncs(warehouse_url) == []
