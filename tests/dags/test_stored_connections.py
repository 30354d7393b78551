"""Settings become connections in Airflow's database, and what people edit there stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from stripe_stack import ROOT
from stripe_stack.airflow.connections import stack_connections, store_connections
from stripe_stack.errors import StackError
from stripe_stack.settings import Settings

KEY, ROLLED = "sk_test_FirstSecret", "sk_test_SecondSecret"
WAREHOUSE = "postgresql://loader:Pass%2Fword@db:6432/shop?sslmode=require"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of an Airflow with a database of its own."""
    url = f"sqlite:///{tmp_path}/airflow.db"
    found = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
    }
    create = "from airflow.models.base import Base; from airflow import models, settings;"
    create += " from airflow.models import Connection; settings.configure_orm();"
    create += " Base.metadata.create_all(settings.engine)"
    subprocess.run([sys.executable, "-c", create], env=found, check=True, capture_output=True)
    return found


def settings(**given: Any) -> Settings:
    return Settings(**{"stripe_api_key": KEY, "lake_url": "s3://bucket/lake", **given})


def read(environment: dict[str, str], conn_id: str) -> dict[str, Any]:
    """A connection as Airflow's own command line shows it."""
    command = [sys.executable, "-m", "airflow", "connections", "get", conn_id, "--output", "json"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    from stripe_sync.records.canonical_json import loads

    [found] = loads(done.stdout[done.stdout.index("[{") :].encode())
    return dict(found)


@pytest.fixture
def store(tmp_path: Path, environment: dict[str, str]) -> Iterator[Any]:
    """Stores settings."""

    def stores(given: Settings, **more: str) -> list[str]:
        wanted = stack_connections(given, "default", WAREHOUSE)
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
    assert stripe["extra_dejson"] == {"account": "acct_1", "max_age_days": "9"}
    warehouse = read(environment, "stripe_warehouse")
    assert (warehouse["login"], warehouse["password"]) == ("loader", "Pass/word")
    assert (int(warehouse["port"]), warehouse["extra_dejson"]) == (6432, {"sslmode": "require"})
    assert read(environment, "stripe_lake")["host"] == "s3://bucket/lake"
    # Encrypted where it is stored.
    assert KEY.encode() not in (tmp_path / "airflow.db").read_bytes()

    # Somebody edits in the UI: another setting, and one that the settings have.
    edit = "from airflow.models import Connection; from airflow.utils.session import create_session"
    edit += "\nwith create_session() as s:\n    c = s.query(Connection).filter_by("
    edit += 'conn_id=\'stripe_default\').one()\n    c.set_extra(\'{"account": "acct_1", '
    edit += '"max_age_days": 5, "cadence": "adaptive"}\')'
    subprocess.run([sys.executable, "-c", edit], env=environment, check=True, capture_output=True)

    rolled = settings(
        stripe_api_key=ROLLED, stripe_account="acct_1", connection_extras={"max_age_days": "9"}
    )
    store(rolled)
    stripe = read(environment, "stripe_default")
    assert stripe["password"] == ROLLED
    assert stripe["extra_dejson"]["max_age_days"] in (5, "5")  # as the command line shows it
    assert stripe["extra_dejson"]["cadence"] == "adaptive"

    # What is taken out of the settings is taken out of the connection.
    store(settings(stripe_api_key=ROLLED))
    assert read(environment, "stripe_default")["extra_dejson"] == {"cadence": "adaptive"}


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
