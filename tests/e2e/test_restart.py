"""The road of a user: sandbox, then a real key, a setting in the UI, a new warehouse, and back.

Its beginning is the stack of all tests here; it stops that one, so it runs last.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from e2e.conftest import RUN_SECONDS, Up, greeting, start, stop, warehouse_url
from stripe_stack.airflow.api import AirflowApi
from stripe_stack.settings import stack_secrets
from stripe_sync.catalog import load_catalog

pytestmark = pytest.mark.e2e

KEY = "sk_test_sandbox"

WHOLE_ROAD = bool(os.environ.get("STRIPE_SYNC_TEST_ROAD"))
"""Set by `make soak`: with the new warehouse, and back to the sandbox."""


@dataclass(frozen=True)
class Started:
    """One ``make up``: what it printed, and its Airflow."""

    said: str
    airflow: AirflowApi


@contextmanager
def started(folder: Path, **settings: Any) -> Iterator[Started]:
    """Start the stack again, and stop it."""
    # The next run of polling takes what is changed in the UI: it is not long in coming.
    process = start(folder, STRIPE_POLL_RUN_SECONDS=10, **settings)
    try:
        said = greeting(process)
        password = stack_secrets(folder).admin_password
        with AirflowApi(f"http://127.0.0.1:{settings['AIRFLOW_PORT']}", password) as airflow:
            assert airflow.ready(3)
            yield Started(said, airflow)
        stop(process, folder)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


def wait_for(query: str, url: str, expected: Callable[[list[Any]], bool]) -> list[Any]:
    """Ask until the rows are as expected."""
    deadline, rows = time.monotonic() + 2 * RUN_SECONDS, []
    with psycopg.connect(url, autocommit=True) as connection:
        while not expected(rows):
            assert time.monotonic() < deadline, rows
            time.sleep(0.5)
            rows = connection.execute(query).fetchall()
    return rows


def customers(url: str) -> set[str]:
    """Names of the customers that are stored."""
    return {row[0] for row in wait_for(CUSTOMERS, url, bool)}


STATUS = "SELECT collection_id FROM stripe.sync_status"
CUSTOMERS = "SELECT payload->>'name' FROM stripe.records WHERE collection_id = 'stripe:customer'"
SETTING = "SELECT settings->'longest_poll_interval' FROM stripe_sync.syncs WHERE name = 'default'"


def test_from_the_sandbox_to_a_real_key_and_a_new_warehouse(
    up: Up, sandbox: Any, empty_database_url: str
) -> None:
    """The fixture ``sandbox`` takes the place of Stripe, beside the sandbox of the stack."""
    folder, headers = up.stack_dir, {"Authorization": f"Bearer {KEY}"}
    real = {"AIRFLOW_PORT": up.ports["AIRFLOW_PORT"]}
    real |= {"STRIPE_API_KEY": KEY, "STRIPE_API_BASE": sandbox.base_url}
    if WHOLE_ROAD:
        sandbox.control.demo()
    httpx.post(f"{sandbox.base_url}/v1/customers", data={"name": "Real"}, headers=headers)
    made = httpx.post(f"{up.sandbox}/v1/customers", data={"name": "Duncan"}, headers=headers)
    wait_for(CUSTOMERS, warehouse_url(folder), lambda rows: ("Duncan",) in rows)
    up.stop()

    with started(folder, **real) as second:
        assert "The first backfill has begun" in second.said
        url = warehouse_url(folder, key=KEY)
        wait_for(CUSTOMERS, url, lambda rows: ("Real",) in rows)
        assert "Duncan" not in customers(url)
        if not WHOLE_ROAD:  # no test looks at the other collections
            second.airflow.call("PATCH", "/dags/stripe_backfill", {"is_paused": True})
        extra = '{"cadence": "adaptive", "longest_poll_interval": 3}'
        body = {"connection_id": "stripe_default", "conn_type": "stripe", "extra": extra}
        second.airflow.call("PATCH", "/connections/stripe_default?update_mask=extra", body)
        wait_for(SETTING, url, lambda rows: rows == [(3.0,)])

    if not WHOLE_ROAD:
        return
    with started(folder, **real, WAREHOUSE_URL=empty_database_url) as third:
        assert "rebuilt from the lake" in third.said
        wait_for(CUSTOMERS, empty_database_url, lambda rows: ("Real",) in rows)
        wait_for(STATUS, empty_database_url, lambda rows: len(rows) == len(load_catalog()))
        wait_for(SETTING, empty_database_url, lambda rows: rows == [(3.0,)])

    with started(folder, **up.ports) as fourth:
        assert "The backfill goes on where it stopped" in fourth.said
        assert len(fourth.airflow.runs("stripe_backfill")) == 1
        stored = httpx.get(f"{up.sandbox}/v1/customers/{made.json()['id']}", headers=headers)
        assert stored.json()["name"] == "Duncan"
        assert "Duncan" in customers(warehouse_url(folder))
        assert "Real" not in customers(warehouse_url(folder))
