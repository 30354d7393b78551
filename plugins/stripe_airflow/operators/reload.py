"""Reload of one collection as an Airflow task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.interrupt import InterruptibleMixin
from stripe_airflow.progress import ProgressLog
from stripe_airflow.retries import STRIPE_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import Context


class StripeReloadOperator(InterruptibleMixin, BaseOperator):
    """Puts one collection of a sync back into the warehouse, out of the lake.

    What is there already stays; stopped, it goes on with what is missing when it runs again.

    Args:
        collection: Short name or id of the collection (``customer``).
        sync: Name of the sync.
        **kwargs: As for every operator. The retry policy defaults to the one for Stripe's errors.

    Returns:
        The report as a dict: events and records put back, objects read, seconds.

    Raises:
        StripeSyncError: Lake or warehouse could not be used; says why.
    """

    template_fields: Sequence[str] = ("collection", "sync")
    ui_color = "#e3e0ff"

    def __init__(self, *, collection: str, sync: str = "default", **kwargs: Any) -> None:
        kwargs.setdefault("retry_policy", STRIPE_RETRY_POLICY)
        super().__init__(**kwargs)
        self.collection = collection
        self.sync = sync

    def execute(self, context: Context) -> dict[str, Any]:
        """Put this collection back."""
        from stripe_sync.sync.reload import reload_collection

        self.log.info("Reloading %s of sync %r", self.collection, self.sync)
        with self.interruptible():
            report = reload_collection(
                connections_for(self.sync),
                self.sync,
                self.collection,
                progress=ProgressLog(self.log),
            )
        self.log.info(
            "%s: %s events and %s records put back, of %s rows read, in %.1f seconds",
            report.collection,
            report.events,
            report.records,
            report.objects,
            report.seconds,
        )
        return asdict(report)
