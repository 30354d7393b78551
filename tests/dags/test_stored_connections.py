"""Settings become connections in Airflow's database, and what people edit there stays."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from stripe_stack import ROOT
from stripe_stack.airflow.connections import stack_connections, store_connections
from stripe_stack.errors import StackError
from stripe_stack.settings import Settings
from stripe_sync.records.canonical_json import loads

KEY, ROLLED = "sk_test_FirstSecret", "sk_test_SecondSecret"
WAREHOUSE = "postgresql://loader:Pass%2Fword@db:6432/shop?sslmode=require"


@pytest.fixture
def environment(tmp_path: Path, airflow_database: None) -> dict[str, str]:
    """The environment of an Airflow with a database of its own, which has no connections."""
    with (
        closing(sqlite3.connect(f"{os.environ['AIRFLOW_HOME']}/airflow.db")) as source,
        closing(sqlite3.connect(tmp_path / "airflow.db")) as copy,
    ):
        source.backup(copy)
        copy.execute("DELETE FROM connection")
        copy.commit()
    return {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
    }


def settings(**given: Any) -> Settings:
    return Settings(**{"stripe_api_key": KEY, "lake_url": "s3://bucket/lake", **given})


def read(environment: dict[str, str], conn_id: str) -> dict[str, Any]:
    """A connection as it is stored, decrypted."""
    columns = "password, extra, host, login, port, schema"
    query = f"SELECT {columns} FROM connection WHERE conn_id = ?"
    fernet = Fernet(environment["AIRFLOW__CORE__FERNET_KEY"])
    with closing(sqlite3.connect(f"{environment['AIRFLOW_HOME']}/airflow.db")) as database:
        row = database.execute(query, [conn_id]).fetchone()
    found = dict(zip(columns.split(", "), row, strict=True))
    for name in ("password", "extra"):
        found[name] = fernet.decrypt(found[name]).decode() if found[name] else None
    return {**found, "extra": loads(found["extra"].encode()) if found["extra"] else {}}


def edit_extra(environment: dict[str, str], conn_id: str, extra: str) -> None:
    """Change the extras of a connection, as Airflow's UI does."""
    fernet = Fernet(environment["AIRFLOW__CORE__FERNET_KEY"])
    values = [fernet.encrypt(extra.encode()).decode(), conn_id]
    with closing(sqlite3.connect(f"{environment['AIRFLOW_HOME']}/airflow.db")) as database:
        database.execute("UPDATE connection SET extra = ? WHERE conn_id = ?", values)
        database.commit()


@pytest.fixture
def store(tmp_path: Path, environment: dict[str, str]) -> Iterator[Any]:
    """Stores settings."""

    def stores(given: Settings, warehouse: str = WAREHOUSE, **more: str) -> list[str]:
        wanted = stack_connections(given, "default", warehouse)
        return store_connections(wanted, tmp_path, "secret of the marker", environment | more)

    yield stores
    for file in ("connections.json",):
        content = (tmp_path / file).read_bytes() if (tmp_path / file).exists() else b""
        assert b"Secret" not in content
        assert b"Pass" not in content


def test_settings_become_connections_and_edits_stay(
    store: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    assert store(settings(stripe_account="acct_1", connection_extras={"max_age_days": "9"})) == []

    stripe = read(environment, "stripe_default")
    assert (stripe["password"], stripe["host"]) == (KEY, "https://api.stripe.com")
    assert stripe["extra"] == {"account": "acct_1", "max_age_days": "9"}
    warehouse = read(environment, "stripe_warehouse")
    assert (warehouse["login"], warehouse["password"]) == ("loader", "Pass/word")
    assert (warehouse["port"], warehouse["extra"]) == (6432, {"sslmode": "require"})
    assert read(environment, "stripe_lake")["host"] == "s3://bucket/lake"
    # Encrypted where it is stored.
    assert KEY.encode() not in (tmp_path / "airflow.db").read_bytes()

    # Somebody edits in the UI: another setting, and one that the settings have.
    edited = '{"account": "acct_1", "max_age_days": 5, "cadence": "adaptive"}'
    edit_extra(environment, "stripe_default", edited)

    rolled = settings(
        stripe_api_key=ROLLED, stripe_account="acct_1", connection_extras={"max_age_days": "9"}
    )
    store(rolled)
    stripe = read(environment, "stripe_default")
    assert stripe["password"] == ROLLED
    assert stripe["extra"]["max_age_days"] == 5
    assert stripe["extra"]["cadence"] == "adaptive"

    # What is taken out of the settings is taken out of the connection.
    store(settings(stripe_api_key=ROLLED), WAREHOUSE.replace(":Pass%2Fword", ""))
    assert read(environment, "stripe_default")["extra"] == {"cadence": "adaptive"}
    assert read(environment, "stripe_warehouse")["password"] is None


def test_docker_compose_stores_them_with_the_same_command(
    sandbox: Any, empty_database_url: str, environment: dict[str, str], tmp_path: Path
) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    init = compose["services"]["airflow-init"]
    script = init["command"][0]
    assert "as_airflow stripe-stack connections" in script
    own = {"STRIPE_API_KEY", "WAREHOUSE_URL", "LAKE_URL", "STACK_DIR"}
    assert own <= init["environment"].keys()
    given = {
        **environment,
        "STRIPE_API_KEY": sandbox.api_key,
        "STRIPE_API_BASE": sandbox.base_url,
        "WAREHOUSE_URL": empty_database_url,
        "LAKE_URL": str(tmp_path / "lake"),
        "STACK_DIR": str(tmp_path / "stack"),
    }
    command = [sys.executable, "-m", "stripe_stack.cli", "connections"]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert sandbox.api_key not in done.stdout
    assert read(environment, "stripe_default")["password"] == sandbox.api_key
    assert read(environment, "stripe_lake")["host"] == str(tmp_path / "lake")


def test_an_unencrypted_database_is_refused(store: Any) -> None:
    with pytest.raises(StackError, match="no Fernet key"):
        store(settings(), AIRFLOW__CORE__FERNET_KEY="")


def test_a_variable_that_wins_is_named(store: Any) -> None:
    other = '{"conn_type": "stripe", "password": "sk_test_OtherSecret"}'

    [said] = store(settings(), AIRFLOW_CONN_STRIPE_DEFAULT=other)

    assert "stripe_default: Airflow uses the environment variable AIRFLOW_CONN_STRIPE_DEFAULT" in (
        said
    )
