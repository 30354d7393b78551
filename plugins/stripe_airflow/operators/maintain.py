"""Maintenance of one sync as an Airflow task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from stripe_airflow.backfill import format_table
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.interrupt import InterruptibleMixin
from stripe_airflow.progress import ProgressLog
from stripe_airflow.retries import STRIPE_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import Context

_COLUMNS = ("collection", "files", "merged", "into", "events_deleted", "message")


class StripeMaintainOperator(InterruptibleMixin, BaseOperator):
    """Keeps one sync's warehouse and lake small and tidy; Stripe is not asked.

    Prunes the ledger of Stripe events, deletes change events that the sync's settings say are too
    old, removes what killed writers left in the lake, merges its small files. It may run beside
    everything else, and be stopped and run again at any time.

    Args:
        sync: Name of the sync.
        **kwargs: As for every operator. The retry policy defaults to the one for Stripe's errors.

    Returns:
        The report as a dict: what was done for the sync, and for each of its ``collections``.

    Raises:
        StripeSyncError: Warehouse or lake could not be used; says why.
    """

    template_fields: Sequence[str] = ("sync",)
    ui_color = "#f1f1e0"

    def __init__(self, *, sync: str = "default", **kwargs: Any) -> None:
        kwargs["retry_policy"] = kwargs.get("retry_policy") or STRIPE_RETRY_POLICY  # None if mapped
        super().__init__(**kwargs)
        self.sync = sync

    def execute(self, context: Context) -> dict[str, Any]:
        """Maintain this sync."""
        from stripe_sync.sync.maintain import maintain_sync

        self.log.info("Maintaining sync %r", self.sync)
        with self.interruptible():
            report = maintain_sync(
                connections_for(self.sync), self.sync, progress=ProgressLog(self.log)
            )
        rows = [asdict(row) for row in report.collections]
        self.log.info(
            "%s: %s Stripe events forgotten, %s leftovers removed, in %.1f seconds%s\n%s",
            report.sync,
            report.stripe_events_forgotten,
            report.swept,
            report.seconds,
            f"; files were not merged: {report.not_merged}" if report.not_merged else "",
            format_table(rows, _COLUMNS),
        )
        return asdict(report)
