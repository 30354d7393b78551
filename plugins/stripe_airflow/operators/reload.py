"""Reload of one collection as an Airflow task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stripe_airflow.operators.base import StripeSyncOperator
from stripe_airflow.reporting import ProgressLog

if TYPE_CHECKING:
    from airflow.sdk import Context


class StripeReloadOperator(StripeSyncOperator):
    """Restores one collection of a sync from the lake into the warehouse.

    Rows that are in the warehouse already stay. An interrupted run continues with the missing rows.

    Args:
        collection: Short name or id of the collection (``customer``).
        **kwargs: Arguments of :class:`StripeSyncOperator`: ``sync``, ``stripe_conn_id``,
            ``warehouse_conn_id``, ``lake_conn_id``.

    Returns:
        The report as a dict: change events and records restored, objects read, seconds.

    Raises:
        StripeSyncError: Lake or warehouse failed.
    """

    template_fields: Sequence[str] = (*StripeSyncOperator.template_fields, "collection")
    ui_color = "#e3e0ff"

    def __init__(self, *, collection: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.collection = collection

    def execute(self, context: Context) -> dict[str, Any]:
        """Restore the collection."""
        from stripe_sync import reload_collection

        self.log.info("Reloading %s of sync %r", self.collection, self.sync)
        with self.interruptible():
            report = reload_collection(
                self.connections(),
                self.sync,
                self.collection,
                progress=ProgressLog(self.log),
            )
        self.log.info(
            "%s: %s change events and %s records restored from %s rows in %.1f seconds",
            report.collection,
            report.events,
            report.records,
            report.objects,
            report.seconds,
        )
        return asdict(report)
