"""The dbt project as one Airflow task."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from stripe_airflow.hooks.connections import warehouse_url
from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.interrupt import InterruptibleMixin
from stripe_sync.dbt_runner import dbt_command, dbt_environment

if TYPE_CHECKING:
    from airflow.sdk import Context


class StripeDbtOperator(InterruptibleMixin, BaseOperator):
    """Builds and tests all dbt models, then publishes the docs to the lake.

    One task, not one for each model: the models are views, and starting dbt costs more than
    building them. The warehouse's address and password reach dbt by its process's environment, so
    that they stand in no file, template or log.

    Args:
        project_dir: The dbt project; by default the folder ``dbt`` beside the DAGs' folder.
        **kwargs: As for every operator.

    Raises:
        AirflowException: dbt failed; its own lines in the task log say why.
    """

    ui_color = "#ffe5d9"
    template_fields: Sequence[str] = ("project_dir",)

    def __init__(self, *, project_dir: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project_dir = project_dir

    def execute(self, context: Context) -> str:
        """Build, test, document; returns the address of the docs."""
        dags = conf.get_mandatory_value("core", "dags_folder")
        project = Path(self.project_dir) if self.project_dir else Path(dags).parent / "dbt"
        with tempfile.TemporaryDirectory(prefix="dbt-") as folder:
            scratch = Path(folder)
            environment = dbt_environment(warehouse_url(), scratch)
            with self.interruptible():
                self._dbt(dbt_command(project, "build", "docs"), environment)
            return self._publish(scratch / "target" / "static_index.html")

    def _dbt(self, command: list[str], environment: dict[str, str]) -> None:
        with subprocess.Popen(  # noqa: S603
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                for line in process.stdout or ():
                    self.log.info("%s", line.rstrip())
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            msg = f"dbt ended with code {process.returncode}; the lines above say why"
            raise AirflowException(msg)

    def _publish(self, docs: Path) -> str:
        import fsspec

        url = StripeLakeHook().docs_url()
        with fsspec.open(url, "wb", auto_mkdir=True) as file:
            file.write(docs.read_bytes())
        self.log.info("Data docs are at %s", url)
        return url
