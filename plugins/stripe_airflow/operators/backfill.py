"""Backfill of one collection as an Airflow task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.interrupt import InterruptibleMixin
from stripe_airflow.progress import ProgressLog
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_sync.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context


class StripeBackfillOperator(InterruptibleMixin, BaseOperator):
    """Extracts one collection of a sync, oldest objects first, into lake and warehouse.

    A run that was stopped goes on where the last commit left off. A collection that the key may
    not read, that Stripe retired or that cannot be obtained yet does not fail the task: its
    report says so.

    Args:
        collection: Short name or id of the collection (``customer``).
        sync: Name of the sync.
        full: Start over instead of going on from what is there.
        since: Only objects created from this moment on: a ``datetime`` or ISO 8601 text; UTC where
            no offset is given. None for all.
        requests_per_second: Ceiling for this run instead of the sync's own.
        **kwargs: As for every operator. The retry policy defaults to the one for Stripe's errors.

    Returns:
        The report as a dict: status, message, objects, requests, seconds and counts of changes.

    Raises:
        StripeSyncError: The collection could not be read or stored; says why.
    """

    template_fields: Sequence[str] = ("collection", "sync", "since")
    ui_color = "#e3e0ff"

    def __init__(
        self,
        *,
        collection: str,
        sync: str = "default",
        since: datetime | str | None = None,
        full: bool = False,
        requests_per_second: float | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["retry_policy"] = kwargs.get("retry_policy") or STRIPE_RETRY_POLICY  # None if mapped
        super().__init__(**kwargs)
        self.collection = collection
        self.sync = sync
        self.since = since
        self.full = full
        self.requests_per_second = requests_per_second

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the backfill of this collection."""
        from stripe_sync.sync.backfill.backfill import backfill_collection

        self.log.info("Backfilling %s of sync %r", self.collection, self.sync)
        with self.interruptible():
            report = backfill_collection(
                connections_for(self.sync),
                self.sync,
                self.collection,
                since=parse_since(self.since),
                requests_per_second=self.requests_per_second,
                # Under the run's own key a retry goes on from what this run has read again.
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


def parse_since(value: datetime | str | None) -> datetime | None:
    """A moment out of a DAG parameter or template; None and empty text mean "all".

    Raises:
        ConfigurationError: The text is no ISO 8601 date or date and time.
    """
    if value is None or value == "":
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except ValueError as error:
        msg = f"since must be an ISO 8601 date such as 2026-01-31, not {value!r}"
        raise ConfigurationError(msg) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
