"""Maintenance of one sync as an Airflow task."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stripe_airflow.operators.base import StripeSyncOperator
from stripe_airflow.reporting import ProgressLog, format_table

if TYPE_CHECKING:
    from airflow.sdk import Context

_COLUMNS = ("collection", "files", "merged", "into", "events_deleted", "message")


class StripeMaintainOperator(StripeSyncOperator):
    """Deletes expired rows of one sync and merges its small files in the lake.

    Sends no request to Stripe. It prunes the processed Stripe events, deletes change events older
    than the setting ``keep_events_days``, removes files that killed writers left in the lake, and
    merges small files. It may run beside everything else, and be stopped and run again at any time.

    Args:
        **kwargs: Arguments of :class:`StripeSyncOperator`: ``sync``, ``stripe_conn_id``,
            ``warehouse_conn_id``, ``lake_conn_id``.

    Returns:
        The report as a dict: counts for the sync, and for each of its ``collections``.

    Raises:
        StripeSyncError: Warehouse or lake failed.
    """

    ui_color = "#f1f1e0"

    def execute(self, context: Context) -> dict[str, Any]:
        """Maintain the sync."""
        from stripe_sync import maintain

        self.log.info("Maintaining sync %r", self.sync)
        with self.interruptible():
            report = maintain(self.connections(), self.sync, progress=ProgressLog(self.log))
        rows = [asdict(collection) for collection in report.collections]
        self.log.info(
            "%s: %s typed rows filled, %s processed Stripe events pruned, %s leftovers removed, "
            "in %.1f seconds%s\n%s",
            report.sync,
            report.typed_rows_filled,
            report.stripe_events_pruned,
            report.leftovers_removed,
            report.seconds,
            f"; files were not merged: {report.not_merged}" if report.not_merged else "",
            format_table(rows, _COLUMNS),
        )
        return asdict(report)
