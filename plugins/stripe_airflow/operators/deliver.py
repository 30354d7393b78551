"""Delivery to consumers as an Airflow task."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.observability import stats

from stripe_airflow.arguments import at_least, parse_names, whole
from stripe_airflow.hooks.targets import target_connection
from stripe_airflow.hooks.warehouse import WAREHOUSE_CONN_ID, warehouse_url
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_sync import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from stripe_sync import ConsumerInfo

_RUN_SECONDS = at_least("run_seconds", 0)
_SHARD = whole("shard", 0)
_SHARDS = whole("shards", 1)


class StripeDeliverOperator(BaseOperator):
    """Delivers what is new to consumers for a bounded time, as it comes.

    One task serves many consumers. A consumer is served by one task at a time; another one takes
    over where that one dies. A consumer that fails does not delay the others, and an outage of the
    warehouse is waited for.

    Args:
        consumers: Names of the consumers; empty for all of the shard, new ones too.
        shard: Number of the shard, from 0.
        shards: Number of shards that the consumers are divided into.
        run_seconds: How long one run delivers.
        warehouse_conn_id: Id of the warehouse's connection, of type ``postgres``.
        **kwargs: Arguments of ``BaseOperator``.

    Returns:
        The report as a dict: seconds, and items that were delivered by consumer.

    Raises:
        ConfigurationError: An argument or the warehouse's connection is wrong.
    """

    template_fields: Sequence[str] = ("consumers", "run_seconds", "warehouse_conn_id")
    ui_color = "#e3f1e3"

    def __init__(
        self,
        *,
        consumers: Sequence[str] | str = (),
        shard: int = 0,
        shards: int = 1,
        run_seconds: float | str = 300.0,
        warehouse_conn_id: str = WAREHOUSE_CONN_ID,
        **kwargs: Any,
    ) -> None:
        if _SHARD.parse(shard) >= _SHARDS.parse(shards):
            message = f"shard must be 0 to {shards - 1}, not {shard}"
            raise ConfigurationError(message)
        _RUN_SECONDS.check_literal(run_seconds)
        super().__init__(**{"retry_policy": STRIPE_RETRY_POLICY, **kwargs})
        self.consumers = consumers
        self.shard = shard
        self.shards = shards
        self.run_seconds = run_seconds
        self.warehouse_conn_id = warehouse_conn_id
        self._stopping = threading.Event()

    def execute(self, context: Context) -> dict[str, Any]:
        """Deliver until the run is over, or Airflow stops the task."""
        from stripe_sync import deliver

        self._stopping.clear()
        report = deliver(
            warehouse_url(self.warehouse_conn_id),
            target_connection,
            seconds=_RUN_SECONDS.parse(self.run_seconds),
            consumers=parse_names(self.consumers, "consumers"),
            shard=self.shard,
            shards=self.shards,
            is_stopping=self._stopping.is_set,
            on_status=self._send_metrics,
        )
        counts = ", ".join(f"{name} {count}" for name, count in sorted(report.delivered.items()))
        self.log.info("Delivered in %.0f s: %s", report.seconds, counts or "there is no consumer")
        if self._stopping.is_set():
            raise SystemExit(128 + SIGTERM)
        return asdict(report)

    def _send_metrics(self, consumers: Sequence[ConsumerInfo]) -> None:
        for each in consumers:
            tags = {"consumer": each.name}
            stats.gauge("stripe.deliver.delivered", each.delivered, tags=tags)
            stats.gauge("stripe.deliver.lag_items", each.lag_items, tags=tags)
            stats.gauge("stripe.deliver.lag_seconds", each.lag_seconds, tags=tags)
            stats.gauge("stripe.deliver.pending", each.pending, tags=tags)
            stats.gauge("stripe.deliver.dead", each.dead, tags=tags)

    def on_kill(self) -> None:
        """Called by Airflow to stop the task: the batches under way are finished first."""
        self._stopping.set()
