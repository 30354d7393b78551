"""The environment variables of Airflow's processes."""

from __future__ import annotations

import os

from stripe_stack import ROOT
from stripe_stack.database.postgres import Postgres
from stripe_stack.settings import Secrets, Settings

USER = "admin"


def airflow_environment(
    settings: Settings, secrets: Secrets, postgres: Postgres, sync: str
) -> dict[str, str]:
    """The whole environment of Airflow's processes.

    Args:
        settings: The settings.
        secrets: The stack's passwords.
        postgres: The server of Airflow's database.
        sync: The sync that forms are filled in with.
    """
    home = settings.folder / "airflow"
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
        # Seconds; a file that was changed is read at once, and the others cost a processor's tenth.
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 300,
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
        **settings.airflow_variables,
        "STRIPE_SYNC": sync,
        "STRIPE_VIEWS_SCHEMA": settings.stripe_views_schema or "",
        "STRIPE_MARTS": "true" if settings.stripe_marts else "false",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
        # Keeps the checkout off the path, where the package would be found a second time.
        "PYTHONSAFEPATH": "1",
    }


def base_url(settings: Settings) -> str:
    """Address of the UI."""
    return f"http://127.0.0.1:{settings.airflow_port}"


def console_url(settings: Settings) -> str:
    """Address of the page "Stripe" in the UI."""
    return f"{base_url(settings)}/plugin/stripe"


def warehouse_url(settings: Settings, postgres: Postgres) -> str:
    """The warehouse in the settings, or the embedded one."""
    if settings.warehouse_url:
        return settings.warehouse_url.get_secret_value()
    return postgres.url("warehouse")
