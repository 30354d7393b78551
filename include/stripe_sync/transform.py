"""How dbt is called on the warehouse."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from stripe_sync.errors import ConfigurationError

_NAMES = ("host", "port", "user", "password", "dbname", "sslmode")


def dbt_command(project: Path, *arguments: str) -> list[str]:
    """The command line that runs dbt on a project, by this interpreter."""
    program = "from dbt.cli.main import cli; cli()"
    folders = ("--project-dir", str(project), "--profiles-dir", str(project))
    return [sys.executable, "-c", program, *arguments, *folders]


def dbt_environment(warehouse_url: str, scratch: Path) -> dict[str, str]:
    """The environment that dbt needs: address and password reach it in no other way.

    Args:
        warehouse_url: ``postgresql://…``.
        scratch: Folder for what dbt writes beside the views: ``target`` and ``logs``.

    Returns:
        This process's environment with that added.

    Raises:
        ConfigurationError: The URL cannot be understood.
    """
    try:
        parts = conninfo_to_dict(warehouse_url)
    except ProgrammingError as error:
        msg = "the warehouse's URL must look like postgresql://user:password@host:5432/database"
        raise ConfigurationError(msg) from error
    return {
        **os.environ,
        **{f"STRIPE_DBT_{name.upper()}": str(parts[name]) for name in _NAMES if parts.get(name)},
        "DBT_TARGET_PATH": str(scratch / "target"),
        "DBT_LOG_PATH": str(scratch / "logs"),
        "DO_NOT_TRACK": "1",
    }
