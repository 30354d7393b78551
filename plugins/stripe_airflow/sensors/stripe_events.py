"""Polling of Stripe events as an Airflow sensor."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.observability import stats

from stripe_airflow.arguments import above_zero, at_least, whole
from stripe_airflow.hooks.connections import SyncConnections
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.operators.base import StripeOperator
from stripe_airflow.params import parse_syncs
from stripe_sync import ConfigurationError, StripeSyncError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from stripe_sync import BackgroundPolling, PollBatch, PollReport

STOP_SECONDS = 60.0
"""How long the end of a run waits for open transactions and the lake."""

_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0
_QUIET_SECONDS = 60.0
"""How often the health of polling is logged while nothing fails."""

_RUN_SECONDS = at_least("run_seconds", 0)
_POLL_INTERVAL = above_zero("poll_interval")
_SHARD = whole("shard", 0)
_SHARDS = whole("shards", 1)


class StripeEventSensor(StripeOperator, BaseSensorOperator):
    """Polls Stripe events for a bounded time and applies them.

    Polling runs in the background every ``poll_interval`` seconds. Beside it runs Airflow's poke
    loop: ``poke`` checks and logs the health of polling, and succeeds once ``run_seconds`` are
    over. ``poke_interval``, ``timeout``, ``soft_fail`` and metrics work as for every sensor. A
    continuous DAG thus has a few hundred runs a day instead of one for each poll. The cursor is
    committed with the data, so a run may be stopped at any time.

    The task waits for the end of an outage, and when no sync can be polled (a revoked key, a
    missing connection) it starts polling again after growing waits. It fails only when the run is
    over: a continuous DAG that fails at once would start the next run at once.

    One task polls many syncs. If there are too many, map the sensor over ``shard``.

    Args:
        syncs: Names of the syncs, created when they do not exist; empty for all active syncs. Also
            as text: ``eu, us`` or ``["eu", "us"]``.
        stripe_conn_id: Id of the Stripe connection, only with exactly one sync in ``syncs``; None
            for ``stripe_<sync>``.
        shard: Number of the shard to poll, from 0.
        shards: Number of shards that the syncs are divided into.
        run_seconds: How long one run polls; it ends at the first poke after that.
        poll_interval: Seconds between two polls of Stripe.
        poke_interval: Seconds between two health checks.
        **kwargs: Arguments of ``BaseSensorOperator``, ``warehouse_conn_id`` and ``lake_conn_id``.
            ``mode`` must be ``poke``.

    Returns:
        The report as a dict: polls, requests, Stripe events, changes, lag in seconds.

    Raises:
        ConfigurationError: An argument is invalid.
        StripeSyncError: None of the syncs could be polled when the run was over.
    """

    template_fields: Sequence[str] = (
        *StripeOperator.template_fields,
        "syncs",
        "stripe_conn_id",
        "run_seconds",
    )
    ui_color = "#d9f2ff"

    def __init__(
        self,
        *,
        syncs: Sequence[str] | str = (),
        stripe_conn_id: str | None = None,
        shard: int = 0,
        shards: int = 1,
        run_seconds: float | str = 300.0,
        poll_interval: float = 0.5,
        poke_interval: float = 10.0,
        mode: str = "poke",
        **kwargs: Any,
    ) -> None:
        if mode != "poke":
            msg = f"StripeEventSensor polls while it runs: mode must be 'poke', not {mode!r}"
            raise ValueError(msg)
        _check_shard(shard, shards)
        _RUN_SECONDS.check_literal(run_seconds)
        super().__init__(poke_interval=poke_interval, mode=mode, **kwargs)
        self.syncs = syncs
        self.stripe_conn_id = stripe_conn_id
        self.shard = shard
        self.shards = shards
        self.run_seconds = run_seconds
        self.poll_interval = _POLL_INTERVAL.parse(poll_interval)
        self._reset()

    def execute(self, context: Context) -> Any:
        """Poke until the run is over; the first poke starts polling. Stop polling.

        It starts within a poke, so that ``never_fail`` and ``silent_fail`` apply to its errors.
        """
        self._reset()
        with self.interruptible():
            try:
                return super().execute(context)
            except BaseException:
                self._stop_after_error()
                raise

    def _reset(self) -> None:
        self._polling: BackgroundPolling | None = None
        self._error: Exception | None = None
        self._started_at: float | None = None
        self._start_at = 0.0
        self._wait = _FIRST_WAIT_SECONDS
        self._logged_problems: object = None
        self._logged_at = 0.0

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Check that polling runs; succeed once the run is over.

        Raises:
            ConfigurationError: An argument is invalid.
            StripeSyncError: None of the syncs could be polled when the run was over.
        """
        syncs, now = self._parse_syncs(), time.monotonic()
        self._started_at = self._started_at or now
        over = now - self._started_at >= _RUN_SECONDS.parse(self.run_seconds)
        try:
            done = self._poke(syncs, now, over=over)
        except Exception as error:
            if over:
                raise
            self._polling, self._error = None, error
            self._start_at = now + self._wait
            self.log.exception("No sync can be polled, next try in %.0f s", self._wait)
            self._wait = min(2 * self._wait, _LONGEST_WAIT_SECONDS)
            return False
        return done

    def _poke(self, syncs: list[str], now: float, *, over: bool) -> bool | PokeReturnValue:
        if self._polling is None:
            if self._error and over:
                raise self._error
            if now < self._start_at:
                return False
            self._polling = self._start(syncs)
        self._check(self._polling)
        if not over:
            return False
        report = self._polling.stop(timeout=STOP_SECONDS)
        self._log_report(report, {})
        return PokeReturnValue(is_done=True, xcom_value=summarize(report))

    def _check(self, polling: BackgroundPolling) -> None:
        """Log the health of polling: once a minute, and whenever a problem begins or ends.

        Raises:
            StripeSyncError: None of the syncs can be polled, or polling ended by itself.
        """
        health, now = polling.health(), time.monotonic()
        report = health.report
        failing = dict(health.failing)
        problems = (report.failures, report.rate_limited, failing, health.warehouse_error)
        if problems != self._logged_problems or now - self._logged_at >= _QUIET_SECONDS:
            self._logged_problems, self._logged_at = problems, now
            self._log_report(report, health.failing)
            if health.warehouse_error:
                self.log.warning("Waiting for the warehouse: %s", health.warehouse_error)
        if not health.running:
            msg = "polling ended before the run was over: run the task again, it continues"
            raise StripeSyncError(msg)

    def _parse_syncs(self) -> list[str]:
        syncs = parse_syncs(self.syncs)
        if self.stripe_conn_id and len(syncs) != 1:
            msg = "stripe_conn_id is the connection of one sync: name exactly one in 'syncs'"
            raise ConfigurationError(msg)
        return syncs

    def _start(self, syncs: list[str]) -> BackgroundPolling:
        from stripe_sync import BackgroundPolling, Shard

        self.log.info(
            "Polling %s every %s s for %s s",
            ", ".join(syncs) or "all active syncs",
            self.poll_interval,
            self.run_seconds,
        )
        connections = SyncConnections(
            stripe_conn_id=self.stripe_conn_id,
            warehouse_conn_id=self.warehouse_conn_id,
            lake_conn_id=self.lake_conn_id,
        )
        polling = BackgroundPolling(
            connections,
            warehouse_url(self.warehouse_conn_id),
            syncs=syncs,
            shard=Shard(int(self.shard), int(self.shards)),
            interval=self.poll_interval,
            on_batch=self._log_batch,
        )
        polling.start()
        return polling

    def _stop_after_error(self) -> None:
        if self._polling is None:
            return
        try:
            self._polling.stop(timeout=STOP_SECONDS)
        except Exception as error:  # noqa: BLE001 - the error that ended the task is raised
            self.log.warning("While polling was stopped: %s", error)

    def _log_report(self, report: PollReport, failing: Mapping[str, str]) -> None:
        self.log.info(
            "%s polls, %s requests (%s failed, %s rate limited), %s Stripe events, %s changes%s",
            report.polls,
            report.requests,
            report.failures,
            report.rate_limited,
            report.stripe_events,
            report.changes,
            "".join(f"; sync {name} fails: {message}" for name, message in failing.items()),
        )

    def _log_batch(self, batch: PollBatch) -> None:
        """Log a transaction and send its metrics."""
        lag = max(batch.lags, default=0.0)
        pending = batch.pending_fetches
        self.log.info(
            "%s: %s Stripe events, %s changes, lag %.1f s%s",
            batch.sync,
            batch.stripe_events,
            batch.changes,
            lag,
            f", {pending} pending fetches" if pending else "",
        )
        tags = {"sync": batch.sync}
        stats.incr("stripe.poll.stripe_events", batch.stripe_events, tags=tags)
        stats.incr("stripe.poll.changes", batch.changes, tags=tags)
        stats.gauge("stripe.poll.lag_seconds", lag, tags=tags)
        stats.gauge("stripe.poll.pending_fetches", pending, tags=tags)


def _check_shard(shard: int, shards: int) -> None:
    if _SHARD.parse(shard) >= _SHARDS.parse(shards):
        msg = f"shard must be below shards, which is {shards}, not {shard}: the first shard is 0"
        raise ConfigurationError(msg)


def summarize(report: PollReport) -> dict[str, Any]:
    """A report as a dict, with percentiles of the lags in seconds (None without Stripe events)."""
    summary = asdict(report)
    lags = sorted(summary.pop("lags"))
    for percent in (50, 99):
        index = min(len(lags) * percent // 100, len(lags) - 1)
        summary[f"lag_p{percent}"] = round(lags[index], 3) if lags else None
    return summary
