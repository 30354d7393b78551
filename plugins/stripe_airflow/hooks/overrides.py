"""Where a stored connection has no effect: Airflow asks other sources before its database."""

from __future__ import annotations

import logging
import os

from airflow.configuration import ensure_secrets_loaded
from airflow.secrets.environment_variables import CONN_ENV_PREFIX, EnvironmentVariablesBackend
from airflow.secrets.metastore import MetastoreBackend

log = logging.getLogger(__name__)


def overriding_source(conn_id: str) -> str | None:
    """The source that Airflow takes a connection from instead of its database.

    Workers may have other environment variables than the API server, which cannot be seen from
    here.

    Args:
        conn_id: Id of the connection.

    Returns:
        Name of the secrets backend, or of the environment variable; None for the database.
    """
    for backend in ensure_secrets_loaded():
        if isinstance(backend, MetastoreBackend):
            return None
        if isinstance(backend, EnvironmentVariablesBackend):
            variable = f"{CONN_ENV_PREFIX}{conn_id.upper()}"
            if variable in os.environ:
                return f"environment variable {variable}"
        elif _has(backend, conn_id):
            return f"secrets backend {type(backend).__name__}"
    return None


def _has(backend: object, conn_id: str) -> bool:
    try:
        return bool(backend.get_connection(conn_id))  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - Airflow asks the next source, whatever a backend raises
        log.warning("The secrets backend %s did not answer", type(backend).__name__)
        return False
