"""An executor whose tasks need not import everything anew."""

from __future__ import annotations

from importlib import import_module

from airflow.executors.local_executor import LocalExecutor

_NEEDED_BY_TASKS = (
    "airflow.sdk.execution_time.task_runner",
    "stripe_airflow.operators.backfill",
    "stripe_airflow.operators.dbt",
    "stripe_airflow.operators.reconcile",
    "stripe_airflow.sensors.stripe_events",
    "stripe_sync.sync.backfill",
    "stripe_sync.sync.poll",
    "stripe_sync.sync.reconcile",
    "stripe_sync.sync.status",
)


class WarmLocalExecutor(LocalExecutor):
    """Airflow's local executor, with what our tasks import loaded before it forks its workers.

    Arrow, SQLAlchemy, the Stripe SDK and the catalogue take a task longer to load than most
    collections take to backfill; forked processes share them.
    """

    def start(self) -> None:
        """Load, then start the workers."""
        for name in _NEEDED_BY_TASKS:
            import_module(name)
        from stripe_sync.catalog import load_catalog

        load_catalog()
        super().start()
