"""The DAG ``stripe_erase``, and that no other one leaves personal data in Airflow's tables."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
import stripe

pytestmark = pytest.mark.usefixtures("airflow_database", "connections")

NAME, MAIL = "Ada Lovelace of Airflow", "ada.of.airflow@example.com"


def run(dag: Any, **conf: Any) -> str:
    return str(dag.test(run_conf=conf).state)


def airflow_tables() -> str:
    """Everything in Airflow's database: runs, their conf, XComs, rendered templates, logs."""
    with sqlite3.connect(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db") as connection:
        return "\n".join(connection.iterdump())


def test_a_customer_is_erased_and_airflow_knows_only_their_id(
    dags: dict[str, Any], sandbox: Any, warehouse_url: str
) -> None:
    client = stripe.StripeClient(sandbox.api_key, base_addresses={"api": sandbox.base_url})
    customer = client.v1.customers.create({"name": NAME, "email": MAIL}).id
    sandbox.control.put({"id": "cus_\0", "object": "customer", "created": 5, "name": NAME})
    collections = ["customer", "event"]
    assert run(dags["stripe_backfill"], collections=collections) == "success"
    assert run(dags["stripe_reconcile"], sync="default", collections=collections) == "success"
    assert run(dags["stripe_maintain"], sync="default") == "success"

    form = {"sync": "default", "customer": customer}
    assert run(dags["stripe_erase"], **form, confirm="cus_other") == "failed"
    assert run(dags["stripe_erase"], **form, confirm=customer) == "success"

    with psycopg.connect(warehouse_url) as connection:
        query = "SELECT count(*) FROM stripe_raw.records WHERE NOT deleted AND upstream_id = %s"
        assert connection.execute(query, [customer]).fetchone() == (0,)
    tables = airflow_tables()
    assert customer in tables
    assert NAME not in tables
    assert MAIL not in tables
