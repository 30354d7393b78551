"""Link to the page of the data docs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

PAGE = "stripe_data_docs"
"""Name of the page in the UI."""


class DataDocsLink(BaseOperatorLink):
    """Opens the data docs in the UI."""

    name = "Data docs"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """The URL of the page.

        Args:
            operator: Any operator.
            ti_key: The task instance.
        """
        return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/plugin/{PAGE}"
