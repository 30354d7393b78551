"""Fixtures for tests that run DAGs inside the test process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from dags.api_server import ApiServer, api_server
from stripe_sync.records.canonical_json import dumps


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """A fresh metadata database with our DAGs."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()


@pytest.fixture(scope="module")
def server(airflow_database: None) -> Iterator[ApiServer]:
    """Airflow's API."""
    with api_server() as found:
        yield found


@pytest.fixture(scope="session")
def dags() -> dict[str, Any]:
    """The DAGs by id."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture
def lake_url(tmp_path: Any) -> str:
    """An empty lake."""
    return str(tmp_path / "lake")


@pytest.fixture
def connections(
    sandbox: Any, warehouse_url: str, lake_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's connections to the sandbox, an empty warehouse and an empty lake."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(warehouse_url)
    fields: dict[str, dict[str, Any]] = {
        "STRIPE_DEFAULT": {
            "conn_type": "stripe",
            "password": sandbox.api_key,
            "host": sandbox.base_url,
        },
        "STRIPE_WAREHOUSE": {
            "conn_type": "postgres",
            "host": parts.get("host"),
            "port": int(parts.get("port") or 5432),
            "login": parts.get("user"),
            "password": parts.get("password"),
            "schema": parts.get("dbname"),
        },
        "STRIPE_LAKE": {"conn_type": "stripe_lake", "host": lake_url},
    }
    for name, values in fields.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", dumps(values).decode())
