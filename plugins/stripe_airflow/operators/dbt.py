"""The dbt project as one Airflow task."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.sdk.exceptions import AirflowException

from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.operators.base import StripeOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class StripeDbtOperator(StripeOperator):
    """Builds and tests all dbt models, then writes the data docs to the lake.

    One task for all models: the models are views, and starting dbt takes longer than building
    them. The warehouse's address and password are in the environment of dbt's process only, in no
    file, template or log.

    Args:
        project_dir: The dbt project; None for the folder ``dbt`` beside the DAGs' folder.
        **kwargs: Arguments of :class:`StripeOperator`: ``warehouse_conn_id``, ``lake_conn_id``.

    Returns:
        The URL of the data docs in the lake.

    Raises:
        AirflowException: dbt failed; its output is in the task log.
    """

    template_fields: Sequence[str] = (*StripeOperator.template_fields, "project_dir")
    ui_color = "#ffe5d9"

    def __init__(self, *, project_dir: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project_dir = project_dir

    def execute(self, context: Context) -> str:
        """Build, test and document the models."""
        from stripe_sync import dbt_command, dbt_environment

        dags = conf.get_mandatory_value("core", "dags_folder")
        project = Path(self.project_dir) if self.project_dir else Path(dags).parent / "dbt"
        with tempfile.TemporaryDirectory(prefix="dbt-") as folder:
            scratch = Path(folder)
            environment = dbt_environment(warehouse_url(self.warehouse_conn_id), scratch)
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
            msg = f"dbt ended with code {process.returncode}; see its output above"
            raise AirflowException(msg)

    def _publish(self, docs: Path) -> str:
        import fsspec

        url = StripeLakeHook(self.lake_conn_id).docs_url()
        with fsspec.open(url, "wb", auto_mkdir=True) as file:
            file.write(docs.read_bytes())
        self.log.info("Data docs: %s", url)
        return url
