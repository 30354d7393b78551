"""The beginning and the end of a reconcile run: what to read again, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from airflow.sdk.exceptions import AirflowException

from stripe_airflow.backfill import format_table
from stripe_airflow.hooks.connections import connections_for

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


def plan_rereads(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say which collections to read again: the chosen ones, else those that are due.

    Args:
        params: The DAG's parameters: sync, collections, window, everything.

    Returns:
        Arguments of :class:`StripeReconcileOperator`, one dict for each collection.

    Raises:
        ConfigurationError: A collection is not known.
    """
    from stripe_sync.clock import SystemClock
    from stripe_sync.sync.reconcile.schedule import plan_chosen, plan_due

    sync, chosen = params["sync"], list(params["collections"] or [])
    if chosen or params["everything"] or params["window"]:
        due = plan_chosen(connections_for(sync).settings, chosen, params["window"])
    else:
        due = plan_due(connections_for(sync), sync, SystemClock().now())
    log.info("To be read again: %s", ", ".join(each.collection for each in due) or "nothing")
    return [{"sync": sync, **asdict(each)} for each in due]


def conclude(
    jobs: Iterable[Mapping[str, Any]] | None, reports: Iterable[Mapping[str, Any]] | None
) -> list[dict[str, Any]]:
    """Log one line for each collection; fail when any of them was not read again.

    Args:
        jobs: What :func:`plan_rereads` returned; None when it failed.
        reports: What the tasks that succeeded returned; None when none did.

    Returns:
        The reports, in the order of the jobs.

    Raises:
        AirflowException: Names the collections that failed.
    """
    if jobs is None:
        msg = "nothing was read again: the task 'plan' failed, and its log says why"
        raise AirflowException(msg)
    done = {report["collection"]: dict(report) for report in reports or ()}
    wanted = [str(job["collection"]) for job in jobs]
    failed = {"status": "failed", "message": "the log of its task says why"}
    rows = [done.get(name, {"collection": name, **failed}) for name in wanted]
    log.info("Read again: %s collections\n%s", len(rows), format_table(rows, _COLUMNS))
    missing = [name for name in wanted if name not in done]
    if missing:
        msg = f"{len(missing)} of {len(rows)} collections were not read again: {', '.join(missing)}"
        raise AirflowException(msg)
    return rows
