"""Watching Stripe's events as an Airflow sensor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.observability import stats

from stripe_airflow.hooks.connections import connections_for, warehouse_url
from stripe_airflow.interrupt import InterruptibleMixin
from stripe_airflow.retries import STRIPE_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from stripe_sync.sync.poll.report import PollBatch, PollReport


SHARDS = int(os.environ.get("STRIPE_POLL_SHARDS", "1"))
"""Tasks that the syncs are spread over; read where the DAG is parsed."""

RUN_SECONDS = float(os.environ.get("STRIPE_POLL_RUN_SECONDS", "300"))
"""How long a run of the DAG lasts."""


class StripeEventSensor(InterruptibleMixin, BaseSensorOperator):
    """Polls Stripe's events for a bounded time and applies what they tell.

    Unlike most sensors it does not end at the first thing it sees: one run is one loop of
    ``run_seconds``, so that a continuous DAG makes a few hundred runs a day rather than one for
    each poll. The position is committed with the data; runs may be cut anywhere.

    One task serves many syncs. For more than one task can serve, map it over ``shard``.

    Args:
        syncs: Names of the syncs, each made when it does not exist; none for all that are active.
        shard: Which part of them to poll, from 0.
        shards: How many parts there are.
        run_seconds: How long one run polls.
        poke_interval: Seconds from one poll to the next.
        **kwargs: As for every sensor. The retry policy defaults to the one for Stripe's errors.

    Returns:
        The report as a dict: polls, requests, Stripe events seen, changes applied, lag.

    Raises:
        StripeSyncError: Not one of the syncs can be polled.
    """

    template_fields: Sequence[str] = ("syncs", "run_seconds")
    ui_color = "#d9f2ff"

    def __init__(
        self,
        *,
        syncs: Sequence[str] | str = (),
        shard: int = 0,
        shards: int = 1,
        run_seconds: float = 300.0,
        poke_interval: float = 0.5,
        **kwargs: Any,
    ) -> None:
        kwargs["retry_policy"] = kwargs.get("retry_policy") or STRIPE_RETRY_POLICY
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.syncs = syncs
        self.shard = shard
        self.shards = shards
        self.run_seconds = run_seconds

    def execute(self, context: Context) -> dict[str, Any]:
        """Poll until the run's time is over."""
        from stripe_sync.sync.poll.supervisor import Shard, poll_for

        seconds = float(self.run_seconds)
        named = ", ".join(self.syncs) or "all active syncs"
        self.log.info("Polling %s every %s s for %s s", named, self.poke_interval, seconds)
        with self.interruptible():
            report = poll_for(
                connections_for,
                warehouse_url(),
                seconds=seconds,
                syncs=self.syncs,
                shard=Shard(self.shard, self.shards),
                interval=self.poke_interval,
                on_batch=self._tell,
            )
        self.log.info(
            "%s polls, %s requests (%s failed, %s too many), %s Stripe events, %s changes",
            report.polls,
            report.requests,
            report.failures,
            report.rate_limited,
            report.stripe_events,
            report.changes,
        )
        return summarise(report)

    def _tell(self, batch: PollBatch) -> None:
        """A batch as a log line and as metrics."""
        lag = max(batch.lags, default=0.0)
        self.log.info(
            "%s: %s Stripe events, %s changes, the oldest %.1f s after it happened%s",
            batch.sync,
            batch.stripe_events,
            batch.changes,
            lag,
            f"; {batch.waiting} objects still to be fetched" if batch.waiting else "",
        )
        tags = {"sync": batch.sync}
        stats.incr("stripe.poll.stripe_events", batch.stripe_events, tags=tags)
        stats.incr("stripe.poll.changes", batch.changes, tags=tags)
        stats.gauge("stripe.poll.lag_seconds", lag, tags=tags)
        stats.gauge("stripe.poll.waiting", batch.waiting, tags=tags)


def summarise(report: PollReport) -> dict[str, Any]:
    """A poll's report with percentiles (seconds, null when nothing happened) for its lags."""
    summary = asdict(report)
    lags = sorted(summary.pop("lags"))
    for percent in (50, 99):
        index = min(len(lags) * percent // 100, len(lags) - 1)
        summary[f"lag_p{percent}"] = round(lags[index], 3) if lags else None
    return summary
