"""An executor whose tasks need not import everything anew."""

from __future__ import annotations

from importlib import import_module

from airflow.executors.local_executor import LocalExecutor

_NEEDED_BY_TASKS = (
    # Airflow's own, from the start of a task to the parsing of its DAG
    "airflow.dag_processing.bundles.local",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.definitions.connection",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.cache",
    "airflow.sdk.execution_time.coordinator",
    "airflow.sdk.execution_time.request_handlers",
    "airflow.sdk.execution_time.schema.migrator",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.log",
    "jinja2.ext",
    # what the DAGs import
    "stripe_airflow.backfill",
    "stripe_airflow.operators.backfill",
    "stripe_airflow.operators.dbt",
    "stripe_airflow.operators.reconcile",
    "stripe_airflow.params",
    "stripe_airflow.reconcile",
    "stripe_airflow.sensors.stripe_events",
    # what they do
    "stripe._stripe_client",
    "stripe_sync.sync.backfill.backfill",
    "stripe_sync.sync.poll.supervisor",
    "stripe_sync.sync.reconcile.reconcile",
    "stripe_sync.sync.status",
)


class WarmLocalExecutor(LocalExecutor):
    """Airflow's local executor, with what our tasks import loaded before it forks its workers.

    Airflow's task SDK, Arrow, SQLAlchemy, the Stripe SDK and the catalogue take a task longer to
    load than most collections take to backfill; forked processes share them.
    """

    def start(self) -> None:
        """Load, then start the workers."""
        for name in _NEEDED_BY_TASKS:
            import_module(name)
        from stripe_sync.catalog import load_catalog
        from stripe_sync.warehouse.schema.migrate import newest_version

        load_catalog()
        newest_version()
        super().start()
