"""First and last task of a reconcile run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException

from stripe_airflow.hooks.connections import SyncConnections
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.pools import BACKFILL_POOL
from stripe_airflow.reporting import format_table

if TYPE_CHECKING:
    from stripe_sync import Connections

log = logging.getLogger(__name__)

MAPPED_TASK_KWARGS: dict[str, Any] = {
    "pool": BACKFILL_POOL,
    "map_index_template": "{{ task.sync }}: {{ task.collection }}",
}
"""Arguments of the mapped tasks, one task for each sync and collection."""

_COLUMNS = (
    "sync",
    "collection",
    "status",
    "window_days",
    "objects",
    "drift",
    "repaired",
    "created",
    "deleted",
    "missing",
    "requests",
    "seconds",
    "message",
)

Task = dict[str, Any]
"""Arguments of the reconcile operator for one collection of one sync."""


def plan_reconcile_run(params: Mapping[str, Any]) -> tuple[list[Task], dict[str, str]]:
    """List the collections to read again: the chosen ones, or those that are due.

    Args:
        params: The DAG's parameters: sync (None for all active syncs), collections, window,
            everything.

    Returns:
        Tasks of all syncs, and by name the errors of the syncs that could not be planned.

    Raises:
        WarehouseError: The list of syncs cannot be read.
    """
    from stripe_sync import list_syncs

    chosen = params["sync"]
    connections = SyncConnections()
    tasks: list[Task] = []
    failed: dict[str, str] = {}
    for sync in [chosen] if chosen else list_syncs(warehouse_url(), active=True):
        try:
            tasks += _plan_sync(connections(sync), sync, params)
        except Exception as error:
            # Whatever it is, it concerns this sync only: the others are read again.
            log.exception("Sync %s cannot be reconciled", sync)
            failed[sync] = str(error)
    return tasks, failed


def _plan_sync(connections: Connections, sync: str, params: Mapping[str, Any]) -> list[Task]:
    from stripe_sync import plan_reconcile

    due_reads = plan_reconcile(
        connections,
        sync,
        params["collections"],
        window_days=params["window"],
        everything=params["everything"],
    )
    names = ", ".join(due.collection for due in due_reads)
    log.info("To read again of sync %s: %s", sync, names or "nothing")
    return [{"sync": sync, **asdict(due)} for due in due_reads]


def summarize_run(
    params: Mapping[str, Any],
    plan: Iterable[Mapping[str, Any]] | None,
    failed: Mapping[str, str] | None,
    reports: Iterable[Mapping[str, Any]] | None,
    connecting: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Log one line for each collection; fail if one was not read again, or a sync is not well.

    Args:
        params: The DAG's parameters. The syncs are checked in runs that read what is due, not in
            those of chosen collections.
        plan: Tasks of :func:`plan_reconcile_run`; None if it failed.
        failed: Its errors by sync; None for none.
        reports: Results of the tasks that succeeded; None if none did.
        connecting: Errors of :func:`stripe_airflow.runs.connected.connect_accounts` by sync.

    Returns:
        The reports, in the order of the plan.

    Raises:
        AirflowException: Names the collections that failed, and the syncs that are not up to date
            with the reasons.
    """
    rows = list(_rows(plan or (), reports or ()))
    log.info("Reconcile of %s collections\n%s", len(rows), format_table(rows, _COLUMNS))
    problems = [
        f"sync {sync} was not reconciled: {error}" for sync, error in (failed or {}).items()
    ]
    problems += [
        f"sync {sync}: not all of its connected accounts were looked after: {error}"
        for sync, error in (connecting or {}).items()
    ]
    if plan is None:
        problems.append("nothing was read again: the task 'plan' failed, see its log")
    missing = [f"{row['sync']}: {row['collection']}" for row in rows if row["status"] == "failed"]
    if missing:
        share = f"{len(missing)} of {len(rows)} collections"
        problems.append(f"{share} were not read again: {', '.join(missing)}")
    if not (params["collections"] or params["window"] or params["everything"]):
        problems += _problems_of_syncs(params["sync"])
    if problems:
        raise AirflowException("; ".join(problems))
    return rows


def _rows(
    plan: Iterable[Mapping[str, Any]], reports: Iterable[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    by_name = {(report["sync"], report["collection"]): dict(report) for report in reports}
    failed = {"status": "failed", "message": "see the log of its task"}
    for task in plan:
        name = {"sync": task["sync"], "collection": task["collection"]}
        yield by_name.get((task["sync"], task["collection"]), name | failed)


def _problems_of_syncs(sync: str | None) -> Sequence[str]:
    """What ``stripe-sync check`` prints."""
    from stripe_sync import StripeSyncError, check_syncs

    try:
        problems = check_syncs(warehouse_url())
    except StripeSyncError as error:
        return [f"the syncs cannot be checked: {error}"]
    return [str(problem) for problem in problems if sync in (None, problem.sync)]
