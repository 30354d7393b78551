"""Watching Stripe's events as an Airflow sensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.interrupt import StopsWhenKilled
from stripe_airflow.retries import STRIPE_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from stripe_sync.sync.poll import PollBatch, PollReport


class StripeEventSensor(StopsWhenKilled, BaseSensorOperator):
    """Polls Stripe's events for a bounded time and applies what they tell.

    Unlike most sensors it does not end at the first thing it sees: one run is one loop of
    ``run_seconds``, so that a continuous DAG makes a few hundred runs a day rather than one for
    each poll. The position is committed with the data; runs may be cut anywhere.

    Args:
        sync: Name of the sync.
        run_seconds: How long one run polls.
        poke_interval: Seconds from one poll to the next.
        **kwargs: As for every sensor. The retry policy defaults to the one for Stripe's errors.

    Returns:
        The report as a dict: polls, requests, Stripe events seen, changes applied, lag.
    """

    template_fields: Sequence[str] = ("sync", "run_seconds")
    ui_color = "#d9f2ff"

    def __init__(
        self,
        *,
        sync: str = "default",
        run_seconds: float = 300.0,
        poke_interval: float = 0.5,
        **kwargs: Any,
    ) -> None:
        kwargs["retry_policy"] = kwargs.get("retry_policy") or STRIPE_RETRY_POLICY
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.sync = sync
        self.run_seconds = run_seconds

    def execute(self, context: Context) -> dict[str, Any]:
        """Poll until the run's time is over."""
        from stripe_sync.sync.poll import poll_for

        seconds = float(self.run_seconds)
        self.log.info("Polling sync %r every %s s for %s s", self.sync, self.poke_interval, seconds)
        with self.interruptible():
            report = poll_for(
                connections_for(self.sync),
                self.sync,
                seconds=seconds,
                interval=self.poke_interval,
                on_batch=self._log_batch,
            )
        self.log.info(
            "%s polls, %s requests (%s failed), %s Stripe events, %s changes",
            report.polls,
            report.requests,
            report.failures,
            report.stripe_events,
            report.changes,
        )
        return summarise(report)

    def _log_batch(self, batch: PollBatch) -> None:
        self.log.info(
            "%s Stripe events, %s changes, the oldest %.1f s after it happened",
            batch.stripe_events,
            batch.changes,
            max(batch.lags, default=0.0),
        )


def summarise(report: PollReport) -> dict[str, Any]:
    """A poll's report with percentiles (seconds, null when nothing happened) for its lags."""
    summary = asdict(report)
    lags = sorted(summary.pop("lags"))
    for percent in (50, 99):
        index = min(len(lags) * percent // 100, len(lags) - 1)
        summary[f"lag_p{percent}"] = round(lags[index], 3) if lags else None
    return summary
