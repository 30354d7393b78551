"""Runs dbt on the warehouse."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from stripe_sync import libpq
from stripe_sync.errors import ConfigurationError, StripeSyncError
from stripe_sync.gc_tuning import bulk_mode
from stripe_sync.records import canonical_json

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_PROFILE = ("host", "port", "user", "password", "dbname", "application_name", "connect_timeout")
"""The parameters that the profile needs; the others reach dbt's driver by libpq's own ways."""

_PARAMETERS = "STRIPE_DBT_PARAMETERS"
_SCHEMA_VARIABLE = "STRIPE_VIEWS_SCHEMA"
_DEFAULT_SCHEMA = "stripe"

_VARIABLES = {
    "marts": "STRIPE_MARTS",
    "compat_fivetran": "STRIPE_COMPAT_FIVETRAN",
    "compat_sync_engine": "STRIPE_COMPAT_SYNC_ENGINE",
}
"""Variables of the dbt project, and of the environment: true, false, or the name of a sync."""

_STEPS = {
    "run": ["run"],
    # Unit tests are about the project, not about what is in the warehouse.
    "build": ["build", "--exclude-resource-type", "unit_test"],
    "docs": ["docs", "generate", "--static"],
}
"""Steps: views; views and their tests; the docs as one HTML file."""


def dbt_command(project: Path, *steps: str) -> list[str]:
    """The command line of a process that runs dbt steps in order.

    Args:
        project: Folder of the dbt project.
        *steps: ``run``, ``build``, ``docs``.
    """
    return [sys.executable, "-m", "stripe_sync.dbt_runner", str(project), *steps]


def dbt_environment(
    warehouse_url: str,
    scratch: Path,
    views_schema: str | None = None,
    marts: bool | None = None,
) -> dict[str, str]:
    """The environment of that process; address and password reach dbt in no other way.

    Args:
        warehouse_url: ``postgresql://…``.
        scratch: Folder for dbt's own output: ``target`` and ``logs``.
        views_schema: Schema of the views, created when it does not exist; None for the one in the
            environment variable ``STRIPE_VIEWS_SCHEMA``, and ``stripe`` without one.
        marts: Whether to build the marts, too, in the schema of the views plus ``_marts``; None for
            the environment variable ``STRIPE_MARTS``.

    Returns:
        This process's environment with dbt's variables added.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL, or has a wrong parameter, or the
            schema is one of the tables, or ``STRIPE_MARTS`` is neither true nor false.
    """
    from stripe_sync.warehouse.schema.tables import CONTROL_SCHEMA, RAW_SCHEMA

    views_schema = views_schema or os.environ.get(_SCHEMA_VARIABLE, "")
    if views_schema in (RAW_SCHEMA, CONTROL_SCHEMA):
        msg = f"the views cannot be in the schema {views_schema}, which has tables of the sync"
        raise ConfigurationError(msg)
    if marts is None:
        marts = bool(_dbt_variables().get("marts"))
    parameters = libpq.connection_parameters(warehouse_url)
    rest = {name: value for name, value in parameters.items() if name not in _PROFILE}
    known = {"host": ""} | libpq.defaults() | parameters
    known.setdefault("dbname", known["user"])
    return {
        **os.environ,
        **{f"STRIPE_DBT_{name.upper()}": known[name] for name in _PROFILE if name in known},
        _PARAMETERS: canonical_json.dumps(rest).decode(),
        _SCHEMA_VARIABLE: views_schema,
        _VARIABLES["marts"]: "true" if marts else "false",
        "DBT_TARGET_PATH": str(scratch / "target"),
        "DBT_LOG_PATH": str(scratch / "logs"),
        "DBT_LOG_LEVEL_FILE": "none",  # standard output is enough
        "DBT_USE_COLORS": "false",
        "DO_NOT_TRACK": "1",
    }


def main(project: str, *steps: str) -> int:
    """Run dbt in this process; returns its exit code, 1 if a right is missing.

    The tables that the views read are created where they do not exist.

    All steps share one import of dbt and one parse of the project, which take longest.
    """
    from dbt.cli.main import dbtRunner

    options = ["--project-dir", project, "--profiles-dir", project]
    parameters = canonical_json.loads(os.environ.pop(_PARAMETERS))
    try:
        if variables := _dbt_variables():
            options += ["--vars", canonical_json.dumps(variables).decode()]
        _prepare(parameters)
    except StripeSyncError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with bulk_mode(), libpq.environment(parameters) as driver:
        os.environ.update(driver)
        parsed = dbtRunner().invoke(["parse", *options])
        dbt = dbtRunner(manifest=cast("Manifest", parsed.result))
        return int(
            not parsed.success
            or not all(dbt.invoke([*_command(step, steps), *options]).success for step in steps)
        )


def _dbt_variables() -> dict[str, bool | str]:
    """Variables of the dbt project that the environment sets.

    Raises:
        ConfigurationError: The one of the marts is neither true nor false.
    """
    switches = {"true": True, "false": False}
    given = {name: os.environ.get(variable, "").strip() for name, variable in _VARIABLES.items()}
    found = {name: switches.get(text.lower(), text) for name, text in given.items() if text}
    if isinstance(found.get("marts"), str):
        msg = f"{_VARIABLES['marts']} must be true or false"
        raise ConfigurationError(msg)
    return found


def _schemas() -> list[str]:
    """The schemas that are built, named as in dbt_project.yml."""
    schema = os.environ.get(_SCHEMA_VARIABLE) or _DEFAULT_SCHEMA
    more = [
        f"{schema}_{name.removeprefix('compat_')}" + (f"_{sync}" if isinstance(sync, str) else "")
        for name, sync in _dbt_variables().items()
        if sync
    ]
    return [schema, *more]


def _prepare(parameters: dict[str, str]) -> None:
    """Create or upgrade the tables, and check that the role may create the views.

    Args:
        parameters: Those that the environment does not have under names of the profile.

    Raises:
        WarehouseError: It may not, or the warehouse cannot be reached.
    """
    from stripe_sync.warehouse import Warehouse
    from stripe_sync.warehouse.connect import explain
    from stripe_sync.warehouse.schema.rights import check_views, may_write, missing_schemas

    variables = {name: os.environ.get(f"STRIPE_DBT_{name.upper()}") for name in _PROFILE}
    given = {name: value for name, value in variables.items() if value}
    with Warehouse(libpq.render_warehouse_url(parameters | given)) as warehouse:
        engine = warehouse.engine
        with explain(engine.url), engine.connect() as connection:
            for schema in _schemas():
                check_views(connection, schema)
            # A role that only builds views may not change tables.
            upgrades = bool(missing_schemas(connection)) or may_write(connection)
        # The views may select columns of typed tables that are yet to be added.
        if upgrades:
            warehouse.upgrade()


def _command(step: str, steps: Sequence[str]) -> list[str]:
    # A build compiles all models.
    compiled = step == "docs" and "build" in steps
    return [*_STEPS[step], "--no-compile"] if compiled else _STEPS[step]


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
