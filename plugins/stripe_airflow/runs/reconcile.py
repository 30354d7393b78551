"""First and last task of a reconcile run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from airflow.sdk.exceptions import AirflowException

from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.reporting import format_table

log = logging.getLogger(__name__)

_COLUMNS = (
    "collection",
    "status",
    "window_days",
    "objects",
    "drift",
    "repaired",
    "created",
    "deleted",
    "requests",
    "seconds",
    "message",
)


def plan_reconcile_run(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the collections to read again: the chosen ones, or those that are due.

    Args:
        params: The DAG's parameters: sync, collections, window, everything.

    Returns:
        Arguments of :class:`StripeReconcileOperator`, one dict for each collection.

    Raises:
        ConfigurationError: A collection is unknown.
    """
    from stripe_sync import plan_reconcile

    sync = params["sync"]
    due_reads = plan_reconcile(
        connections_for(sync),
        sync,
        params["collections"],
        window_days=params["window"],
        everything=params["everything"],
    )
    log.info("To read again: %s", ", ".join(due.collection for due in due_reads) or "nothing")
    return [{"sync": sync, **asdict(due)} for due in due_reads]


def summarize_run(
    plan: Iterable[Mapping[str, Any]] | None, reports: Iterable[Mapping[str, Any]] | None
) -> list[dict[str, Any]]:
    """Log one line for each collection; fail if any of them was not read again.

    Args:
        plan: The result of :func:`plan_reconcile_run`; None if it failed.
        reports: Results of the tasks that succeeded; None if none did.

    Returns:
        The reports, in the order of the plan.

    Raises:
        AirflowException: Names the collections that failed.
    """
    if plan is None:
        msg = "nothing was read again: the task 'plan' failed, see its log"
        raise AirflowException(msg)
    by_name = {report["collection"]: dict(report) for report in reports or ()}
    names = [str(task["collection"]) for task in plan]
    failed = {"status": "failed", "message": "see the log of its task"}
    rows = [by_name.get(name, {"collection": name, **failed}) for name in names]
    log.info("Reconcile of %s collections\n%s", len(rows), format_table(rows, _COLUMNS))
    missing = [name for name in names if name not in by_name]
    if missing:
        msg = f"{len(missing)} of {len(rows)} collections were not read again: {', '.join(missing)}"
        raise AirflowException(msg)
    return rows
