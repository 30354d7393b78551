"""What ``make up`` promises, seen from outside."""

from __future__ import annotations

import time

import httpx
import psycopg
import pytest

from e2e.conftest import RUN_SECONDS, Up, warehouse_url
from stripe_stack.settings import stack_secrets
from stripe_sync.catalog import load_catalog

pytestmark = pytest.mark.e2e


def test_it_prints_where_to_go_and_how_to_log_in(up: Up) -> None:
    assert "The first backfill has begun" in up.greeting
    assert up.base in up.greeting
    assert f"admin / {stack_secrets(up.stack_dir).admin_password}" in up.greeting


def test_the_state_can_be_queried_before_the_first_backfill_has_read_anything(up: Up) -> None:
    polled_syncs, collections = up.first_status
    assert (polled_syncs, collections) in {(0, 0), (1, 0), (1, len(load_catalog()))}


def test_nobody_reads_the_docs_without_a_login(up: Up) -> None:
    url = f"{up.base}/stripe/data-docs"
    login = {"Authorization": f"Bearer {up.token}"}

    assert httpx.get(url, timeout=30).status_code == 401
    assert httpx.get(url, headers=login, timeout=30).status_code != 401


def test_a_change_in_stripe_shows_in_the_views(up: Up) -> None:
    assert up.finished("stripe_backfill")["state"] == "success"
    assert up.finished("stripe_dbt")["state"] == "success"
    assert "stripe_views" in (up.folder / "lake/_docs/index.html").read_text()
    headers = {"Authorization": "Bearer sk_test_sandbox"}
    with httpx.Client(base_url=up.sandbox, headers=headers) as stripe:
        customer = stripe.get("/v1/customers", params={"limit": 1}).json()["data"][0]["id"]
        stripe.post(f"/v1/customers/{customer}", data={"name": "Chani"}).raise_for_status()

    deadline = time.monotonic() + RUN_SECONDS
    query = (
        "SELECT event_type FROM stripe.events WHERE upstream_id = %s AND data->>'name' = 'Chani'"
    )
    with psycopg.connect(warehouse_url(up.stack_dir), autocommit=True) as connection:
        while not (rows := connection.execute(query, [customer]).fetchall()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert rows == [("updated",)]


def test_runs_of_polling_follow_each_other(up: Up) -> None:
    """It is a run without end, made of bounded ones."""
    deadline = time.monotonic() + RUN_SECONDS
    while len(done := [r for r in up.api.runs("stripe_poll") if r["state"] == "success"]) < 3:
        assert time.monotonic() < deadline, up.api.runs("stripe_poll")
        time.sleep(0.5)
    assert len({run["logical_date"] for run in done}) == len(done)


def test_no_key_stands_in_any_log(up: Up) -> None:
    assert up.finished("stripe_dbt")["state"] == "success"
    secrets = stack_secrets(up.stack_dir)
    logs = [*up.folder.glob("logs/*.log"), *up.folder.glob("airflow/logs/**/*.log")]
    own_banner = up.folder / "logs" / "sandbox.log"  # the sandbox names its well-known keys

    assert len(logs) > 30
    for log in logs:
        text = log.read_text(errors="replace")
        assert secrets.postgres_password not in text, log
        assert log == own_banner or "sk_test_sandbox" not in text, log
