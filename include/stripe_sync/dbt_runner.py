"""Runs dbt on the warehouse."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from stripe_sync.errors import ConfigurationError
from stripe_sync.gc_tuning import bulk_mode

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_NAMES = ("host", "port", "user", "password", "dbname", "sslmode")
_STEPS = {
    "build": ["build"],
    "docs": ["docs", "generate", "--static"],
}
"""Steps: views and their tests; the docs as one HTML file."""


def dbt_command(project: Path, *steps: str) -> list[str]:
    """The command line of a process that runs dbt steps in order.

    Args:
        project: Folder of the dbt project.
        *steps: ``build``, ``docs``.
    """
    return [sys.executable, "-m", "stripe_sync.dbt_runner", str(project), *steps]


def dbt_environment(warehouse_url: str, scratch: Path) -> dict[str, str]:
    """The environment of that process; address and password reach dbt in no other way.

    Args:
        warehouse_url: ``postgresql://…``.
        scratch: Folder for dbt's own output: ``target`` and ``logs``.

    Returns:
        This process's environment with dbt's variables added.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
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
        "DBT_LOG_LEVEL_FILE": "none",  # standard output is enough
        "DBT_USE_COLORS": "false",
        "DO_NOT_TRACK": "1",
    }


def main(project: str, *steps: str) -> int:
    """Run dbt in this process; returns its exit code.

    All steps share one import of dbt and one parse of the project, which take longest.
    """
    from dbt.cli.main import dbtRunner

    folders = ["--project-dir", project, "--profiles-dir", project]
    with bulk_mode():
        parsed = dbtRunner().invoke(["parse", *folders])
        dbt = dbtRunner(manifest=cast("Manifest", parsed.result))
        return int(
            not parsed.success
            or not all(dbt.invoke([*_command(step, steps), *folders]).success for step in steps)
        )


def _command(step: str, steps: Sequence[str]) -> list[str]:
    # A build compiles all models.
    compiled = step == "docs" and "build" in steps
    return [*_STEPS[step], "--no-compile"] if compiled else _STEPS[step]


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
