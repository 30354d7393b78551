"""Backfill of one collection as an Airflow task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stripe_airflow.arguments import above_zero
from stripe_airflow.operators.base import StripeSyncOperator
from stripe_airflow.params import parse_since
from stripe_airflow.reporting import ProgressLog

if TYPE_CHECKING:
    from airflow.sdk import Context

_REQUESTS_PER_SECOND = above_zero("requests_per_second")


class StripeBackfillOperator(StripeSyncOperator):
    """Reads one collection of a sync, oldest objects first, into lake and warehouse.

    An interrupted run continues after its last commit. A collection that the key may not read, or
    that Stripe does not offer, does not fail the task: its report has the status ``forbidden``,
    ``unavailable`` or ``retired``.

    Args:
        collection: Short name or id of the collection (``customer``).
        full: Start over instead of continuing.
        since: Only objects created at or after this time: a ``datetime`` or ISO 8601 text, in UTC
            if it has no offset. None for all.
        requests_per_second: Maximum for this run, instead of the sync's setting. May be a
            template.
        **kwargs: Arguments of :class:`StripeSyncOperator`: ``sync``, ``stripe_conn_id``,
            ``warehouse_conn_id``, ``lake_conn_id``.

    Returns:
        The report as a dict: status, message, objects, requests, seconds and counts of changes.

    Raises:
        ConfigurationError: ``requests_per_second`` is not a number above 0.
        StripeSyncError: The collection could not be read or stored.
    """

    template_fields: Sequence[str] = (
        *StripeSyncOperator.template_fields,
        "collection",
        "since",
        "requests_per_second",
    )
    ui_color = "#e3e0ff"

    def __init__(
        self,
        *,
        collection: str,
        since: datetime | str | None = None,
        full: bool = False,
        requests_per_second: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        _REQUESTS_PER_SECOND.check_literal(requests_per_second)
        super().__init__(**kwargs)
        self.collection = collection
        self.since = since
        self.full = full
        self.requests_per_second = requests_per_second

    def execute(self, context: Context) -> dict[str, Any]:
        """Backfill the collection."""
        from stripe_sync import backfill_collection

        self.log.info("Backfilling %s of sync %r", self.collection, self.sync)
        with self.interruptible():
            report = backfill_collection(
                self.connections(),
                self.sync,
                self.collection,
                since=parse_since(self.since),
                requests_per_second=_REQUESTS_PER_SECOND.parse_optional(self.requests_per_second),
                # A retry has the same run_id and continues, instead of starting over once more.
                restart_key=context["run_id"] if self.full else None,
                progress=ProgressLog(self.log),
            )
        self.log.info(
            "%s %s: %s objects, %s requests, %.1f seconds; %s created, %s updated, %s unchanged%s",
            report.collection,
            report.status,
            report.objects,
            report.requests,
            report.seconds,
            report.created,
            report.updated,
            report.unchanged,
            f" ({report.message})" if report.message else "",
        )
        return asdict(report)
