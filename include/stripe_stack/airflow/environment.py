"""The environment variables of Airflow's processes."""

from __future__ import annotations

import os
from typing import Any

from stripe_stack.postgres import Postgres
from stripe_stack.settings import ROOT, Secrets, Settings
from stripe_sync import libpq
from stripe_sync.records import canonical_json

USER = "admin"


def airflow_environment(settings: Settings, secrets: Secrets, postgres: Postgres) -> dict[str, str]:
    """The whole environment of Airflow's processes.

    It includes the connections, so that no database has keys and passwords.
    """
    home = settings.stack_dir.resolve() / "airflow"
    options = {
        "CORE__DAGS_FOLDER": ROOT / "dags",
        "CORE__PLUGINS_FOLDER": home / "plugins",  # empty: entry points load the package
        "CORE__LOAD_EXAMPLES": False,
        "CORE__EXECUTOR": "stripe_airflow.executor.WarmLocalExecutor",
        "CORE__PARALLELISM": 6,
        "CORE__FERNET_KEY": secrets.fernet_key,
        "CORE__TEST_CONNECTION": "Enabled",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home / "passwords.json",
        "DATABASE__SQL_ALCHEMY_CONN": postgres.url("airflow", "postgresql+psycopg2"),
        "DATABASE__CHECK_MIGRATIONS": False,  # prepare() does it once for all components
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.25,
        # Seconds until the tasks of a killed scheduler run again, live polling among them.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 30,
        "API__HOST": "127.0.0.1",
        "API__PORT": settings.airflow_port,
        "API__BASE_URL": base_url(settings),
        "API__SECRET_KEY": secrets.jwt_secret,
        "API_AUTH__JWT_SECRET": secrets.jwt_secret,
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    return {
        **inherited,
        "AIRFLOW_HOME": str(home),
        **{f"AIRFLOW__{key}": str(value) for key, value in options.items()},
        **_connections(settings, postgres),
        "STRIPE_VIEWS_SCHEMA": settings.stripe_views_schema or "",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
        # Keeps the checkout off the path, where the package would be found a second time.
        "PYTHONSAFEPATH": "1",
    }


def base_url(settings: Settings) -> str:
    """Address of the UI."""
    return f"http://127.0.0.1:{settings.airflow_port}"


def warehouse_url(settings: Settings, postgres: Postgres) -> str:
    """The warehouse in the settings, or the embedded one."""
    if settings.warehouse_url:
        return settings.warehouse_url.get_secret_value()
    return postgres.url("warehouse")


def _connections(settings: Settings, postgres: Postgres) -> dict[str, str]:
    warehouse: dict[str, Any] = dict(libpq.connection_parameters(warehouse_url(settings, postgres)))
    connections = {
        "STRIPE_DEFAULT": {
            "conn_type": "stripe",
            "password": settings.api_key,
            "host": settings.api_base,
            "extra": {"account": settings.stripe_account} if settings.stripe_account else {},
        },
        "STRIPE_WAREHOUSE": {
            "conn_type": "postgres",
            "host": warehouse.pop("host", None),
            "port": int(warehouse.pop("port", None) or 5432),
            "login": warehouse.pop("user", None),
            "password": warehouse.pop("password", None),
            "schema": warehouse.pop("dbname", None),
            "extra": warehouse,
        },
        "STRIPE_LAKE": {"conn_type": "stripe_lake", "host": settings.lake},
    }
    return {
        f"AIRFLOW_CONN_{name}": canonical_json.dumps(fields).decode()
        for name, fields in connections.items()
    }
