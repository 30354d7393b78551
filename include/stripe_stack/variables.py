"""The file ``.env``: its variables join the environment, which wins over them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches

from dotenv import dotenv_values

from stripe_stack import ROOT
from stripe_stack.errors import StackError
from stripe_sync import SyncSettings

ENV_FILE = ROOT / ".env"

CREDENTIAL_EXTRAS = ("mode", "proxy", "ca_bundle")
_OTHER_EXTRAS = ("client_id", "hash_secret")

CONNECTION_EXTRAS = {
    f"STRIPE_{name.upper()}": name
    for name in (*CREDENTIAL_EXTRAS, *_OTHER_EXTRAS, *SyncSettings.model_fields)
}
"""Extras of the Stripe connection by the names of their variables."""

_STACK = (
    *("STRIPE_API_KEY", "STRIPE_API_BASE", "STRIPE_ACCOUNT", "WAREHOUSE_URL", "LAKE_URL"),
    *("STRIPE_VIEWS_SCHEMA", "STRIPE_MARTS", "AIRFLOW_PORT", "SANDBOX_PORT", "STACK_DIR"),
)
_DAGS = (
    *("STRIPE_POLL_SHARDS", "STRIPE_POLL_RUN_SECONDS"),
    *("STRIPE_DELIVER_SHARDS", "STRIPE_DELIVER_RUN_SECONDS", "STRIPE_REDIRECT_URLS"),
)
_DBT = ("STRIPE_COMPAT_FIVETRAN", "STRIPE_COMPAT_SYNC_ENGINE")
_COMPOSE = (
    *("AIRFLOW_JWT_SECRET", "AIRFLOW_FERNET_KEY", "AIRFLOW_ADMIN_PASSWORD", "POSTGRES_PASSWORD"),
)
_NETWORK = (
    *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    "REQUESTS_CA_BUNDLE",
)
_KNOWN = (*_STACK, *CONNECTION_EXTRAS, *_DAGS, *_DBT, *_COMPOSE, *_NETWORK)

_OTHERS = ("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_", "AWS_", "AZURE_", "GOOGLE_", "COMPOSE_")
"""Prefixes of variables that Airflow, the drivers of lakes or Compose read."""

_FIXED = {
    "AIRFLOW__API__BASE_URL": "AIRFLOW_PORT",
    "AIRFLOW__API__HOST": None,
    "AIRFLOW__API__PORT": "AIRFLOW_PORT",
    "AIRFLOW__API__SECRET_KEY": None,
    "AIRFLOW__API_AUTH__JWT_SECRET": None,
    "AIRFLOW__CORE__DAGS_FOLDER": None,
    "AIRFLOW__CORE__FERNET_KEY": None,
    "AIRFLOW__CORE__PLUGINS_FOLDER": None,
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": None,
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": None,
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": None,
}
"""Options of Airflow that the stack sets itself, and what to set instead."""


def load_env_file() -> None:
    """Add the variables of ``.env`` to the environment of this process and its children.

    An empty variable of the environment is none: ``STRIPE_API_KEY=`` hides no key of the file.

    Raises:
        StackError: A name is unknown, or the stack sets it itself.
    """
    given = dotenv_values(ENV_FILE)
    _check_names(given)
    for name, value in given.items():
        if value and not os.environ.get(name):
            os.environ[name] = value


def airflow_variables() -> dict[str, str]:
    """Variables for Airflow that ``.env`` names.

    Those of the environment alone are for another Airflow of this machine.
    """
    names = [name for name in dotenv_values(ENV_FILE) if name.startswith("AIRFLOW_")]
    return {name: os.environ[name] for name in names if name in os.environ}


def connection_extras() -> dict[str, str]:
    """Extras of the Stripe connection that the environment sets, by name."""
    given = {name: os.environ.get(variable) for variable, name in CONNECTION_EXTRAS.items()}
    return {name: value for name, value in given.items() if value}


def _check_names(names: Iterable[str]) -> None:
    problems = [problem for name in names if (problem := _problem(name))]
    if problems:
        message = f"{ENV_FILE.name}: {'; '.join(problems)}."
        raise StackError(message)


def _problem(name: str) -> str | None:
    """What is wrong with a name in ``.env``."""
    if name in _FIXED:
        remedy = f"set {_FIXED[name]} instead" if _FIXED[name] else "remove it"
        return f"{name} is set by the stack itself: {remedy}"
    if name in _KNOWN or name.startswith(_OTHERS):
        return None
    similar = get_close_matches(name.upper(), _KNOWN, n=1)
    hint = f"did you mean {similar[0]}?" if similar else "see .env.example"
    return f"there is no setting {name} ({hint})"
