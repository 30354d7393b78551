"""The views in the warehouse of a stack: they are there before the first backfill begins."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from stripe_stack.settings import ROOT, Settings
from stripe_sync import dbt_command, dbt_environment, libpq

_DEFAULT_SCHEMA = "stripe"
_VIEW = "poll_status"
"""The last view of the project: where it exists, the others do."""


class ViewsBuild:
    """The build of the views beside the start of Airflow.

    Args:
        settings: The settings of the stack.
        warehouse_url: Its warehouse.
    """

    def __init__(self, settings: Settings, warehouse_url: str) -> None:
        self._settings = settings
        self._url = warehouse_url
        self._log = settings.logs / "views.log"
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def started(self) -> Iterator[None]:
        """Build while the block runs, unless the views exist."""
        if not self._exist():
            scratch = self._settings.stack_dir.resolve() / "dbt"
            schema = self._settings.stripe_views_schema
            with self._log.open("wb") as output:
                self._process = subprocess.Popen(
                    dbt_command(ROOT / "dbt", "run"),
                    env=dbt_environment(self._url, scratch, schema),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
        try:
            yield
        finally:
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()
                self._process.wait()

    def problem(self) -> str | None:
        """Wait for the end of the build; what to tell the user, None if the views exist."""
        if self._process is None or self._process.wait() == 0:
            return None
        return f"The views could not be created; see {self._log}. The DAG stripe_dbt tries again."

    def _exist(self) -> bool:
        schema = self._settings.stripe_views_schema or _DEFAULT_SCHEMA
        with psycopg.connect(**libpq.connect_arguments(self._url)) as connection:
            row = connection.execute(
                "SELECT EXISTS (SELECT FROM pg_views WHERE schemaname = %s AND viewname = %s)",
                [schema, _VIEW],
            ).fetchone()
        return bool(row and row[0])
