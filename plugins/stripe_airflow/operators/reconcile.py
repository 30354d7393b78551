"""Reading one collection again as an Airflow task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.interrupt import InterruptibleMixin
from stripe_airflow.retries import STRIPE_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import Context


class StripeReconcileOperator(InterruptibleMixin, BaseOperator):
    """Reads one collection of a sync again and repairs what differs from what is stored.

    What it finds becomes change events with source ``reconcile``. A collection that the key may
    not read or that Stripe retired does not fail the task: its report says so.

    Args:
        collection: Short name or id of the collection (``customer``).
        sync: Name of the sync.
        window_days: Look only at what was created in so many days; None for everything, which
            also finds what is gone.
        **kwargs: As for every operator. The retry policy defaults to the one for Stripe's errors.

    Returns:
        The report as a dict: status, message, objects, requests, seconds, drift and its parts.

    Raises:
        StripeSyncError: The collection could not be read or stored; says why.
    """

    template_fields: Sequence[str] = ("collection", "sync")
    ui_color = "#e0f5e3"

    def __init__(
        self,
        *,
        collection: str,
        sync: str = "default",
        window_days: int | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["retry_policy"] = kwargs.get("retry_policy") or STRIPE_RETRY_POLICY  # None if mapped
        super().__init__(**kwargs)
        self.collection = collection
        self.sync = sync
        self.window_days = window_days

    def execute(self, context: Context) -> dict[str, Any]:
        """Read this collection again."""
        from stripe_sync.sync.reconcile.reconcile import reconcile_collection

        days = self.window_days
        reach = "all of it" if days is None else f"the last {days} days"
        self.log.info("Reading %s of sync %r again, %s", self.collection, self.sync, reach)
        with self.interruptible():
            report = reconcile_collection(
                connections_for(self.sync),
                self.sync,
                self.collection,
                window=None if days is None else timedelta(days=days),
            )
        self.log.info(
            "%s %s: %s objects, %s requests, %.1f seconds; %s repaired, %s created, %s deleted%s",
            report.collection,
            report.status,
            report.objects,
            report.requests,
            report.seconds,
            report.repaired,
            report.created,
            report.deleted,
            f" ({report.message})" if report.message else "",
        )
        return asdict(report)
