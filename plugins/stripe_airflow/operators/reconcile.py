"""Reconcile of one collection as an Airflow task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from stripe_airflow.arguments import whole
from stripe_airflow.operators.base import StripeSyncOperator
from stripe_airflow.reporting import ProgressLog

if TYPE_CHECKING:
    from airflow.sdk import Context

_WINDOW_DAYS = whole("window_days", 1)


class StripeReconcileOperator(StripeSyncOperator):
    """Reads one collection of a sync again and repairs the records that differ.

    Differences become change events with source ``reconcile``. A collection that the key may not
    read, or that Stripe does not offer, does not fail the task: its report has the status
    ``forbidden``, ``unavailable`` or ``retired``.

    Args:
        collection: Short name or id of the collection (``customer``).
        window_days: Read only objects created within this number of days; None for all objects,
            which also finds deleted ones. May be a template.
        **kwargs: Arguments of :class:`StripeSyncOperator`: ``sync``, ``stripe_conn_id``,
            ``warehouse_conn_id``, ``lake_conn_id``.

    Returns:
        The report as a dict: sync, status, message, objects, requests, seconds, drift and its
        parts.

    Raises:
        ConfigurationError: ``window_days`` is not a whole number of at least 1.
        StripeSyncError: The collection could not be read or stored.
    """

    template_fields: Sequence[str] = (
        *StripeSyncOperator.template_fields,
        "collection",
        "window_days",
    )
    ui_color = "#e0f5e3"

    def __init__(
        self, *, collection: str, window_days: int | str | None = None, **kwargs: Any
    ) -> None:
        _WINDOW_DAYS.check_literal(window_days)
        super().__init__(**kwargs)
        self.collection = collection
        self.window_days = window_days

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the collection again."""
        from stripe_sync import reconcile_collection

        days = _WINDOW_DAYS.parse_optional(self.window_days)
        scope = "all objects" if days is None else f"objects of the last {days:g} days"
        self.log.info("Reconciling %s of sync %r: %s", self.collection, self.sync, scope)
        with self.interruptible():
            report = reconcile_collection(
                self.connections(),
                self.sync,
                self.collection,
                window=None if days is None else timedelta(days=days),
                progress=ProgressLog(self.log),
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
        return {"sync": self.sync, **asdict(report)}
