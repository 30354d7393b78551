"""The views in the warehouse of a stack: they are there before the first backfill begins."""

from __future__ import annotations

import subprocess

import psycopg

from stripe_stack import ROOT
from stripe_stack.settings import Settings
from stripe_sync import dbt_command, dbt_environment, libpq

_DEFAULT_SCHEMA = "stripe"
_VIEW = "poll_status"
"""One of the views of the project: where it exists, the others do."""


def views_exist(settings: Settings, warehouse_url: str) -> bool:
    """Whether the views were created before."""
    schema = settings.stripe_views_schema or _DEFAULT_SCHEMA
    with psycopg.connect(**libpq.connect_arguments(warehouse_url)) as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_views WHERE schemaname = %s AND viewname = %s)",
            [schema, _VIEW],
        ).fetchone()
    return bool(row and row[0])


def create_views(settings: Settings, warehouse_url: str) -> str | None:
    """Create tables and views.

    Returns:
        What to tell the user if that failed; None if it succeeded.
    """
    log = settings.logs / "views.log"
    scratch = settings.folder / "dbt"
    with log.open("wb") as output:
        done = subprocess.run(
            dbt_command(ROOT / "dbt", "run"),
            env=dbt_environment(
                warehouse_url, scratch, settings.stripe_views_schema, settings.stripe_marts
            ),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode == 0:
        return None
    return f"The views could not be created; see {log}. The DAG stripe_dbt tries again."
