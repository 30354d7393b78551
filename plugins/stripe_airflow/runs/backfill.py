"""First and last task of a backfill run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import AirflowException

from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.params import parse_since
from stripe_airflow.pools import BACKFILL_POOL
from stripe_airflow.reporting import format_table

if TYPE_CHECKING:
    from datetime import datetime

    from stripe_sync import SyncInfo, SyncSettings

log = logging.getLogger(__name__)

MAPPED_TASK_KWARGS: dict[str, Any] = {
    "pool": BACKFILL_POOL,
    "map_index_template": "{{ task.collection }}",
    # Children are read even if one of their parents failed.
    "trigger_rule": TriggerRule.ALL_DONE,
}
"""Arguments of the mapped tasks, one task for each collection."""

_COLUMNS = ("collection", "status", "objects", "missing", "requests", "seconds", "message")


Task = dict[str, Any]
"""Arguments of the backfill operator for one collection."""

Trigger = dict[str, Any]
"""Arguments of ``TriggerDagRunOperator`` for one run: ``trigger_run_id`` and ``conf``."""


def first_backfill(sync: SyncInfo) -> Trigger:
    """The first run of ``stripe_backfill`` for a sync; the same id however often it is asked for.

    So a run that still waits for its turn is not triggered again.
    """
    return backfill_trigger("first", sync.name, sync.created_at)


def backfill_trigger(why: str, sync: str, at: datetime, collections: Sequence[str] = ()) -> Trigger:
    """A run of ``stripe_backfill`` with an id that follows from its reason.

    Args:
        why: Beginning of the id.
        sync: Name of the sync.
        at: When the reason arose.
        collections: Short names; empty for all.
    """
    conf: dict[str, Any] = {"sync": sync}
    if collections:
        conf["collections"] = [*collections]
    return {"trigger_run_id": f"{why}__{sync}__{at.isoformat()}", "conf": conf}


def plan_backfill_run(params: Mapping[str, Any]) -> tuple[list[Task], list[Task]]:
    """Set the sync's cutoff and list the collections to backfill.

    Args:
        params: The DAG's parameters: sync, collections, since, full, requests_per_second.

    Returns:
        Tasks for the top-level collections, and tasks for the child collections.

    Raises:
        ConfigurationError: A collection or the date is invalid.
    """
    from stripe_sync import plan_backfill

    sync, since = params["sync"], params["since"]
    parse_since(since)  # checked before the first request to Stripe
    plan = plan_backfill(connections_for(sync), sync, params["collections"])
    log.info("Backfilling %s collections: %s", len(plan.collections), ", ".join(plan.collections))
    common = {
        "sync": sync,
        "since": since,
        "full": bool(params["full"]),
        "requests_per_second": params.get("requests_per_second"),
    }
    top_level, child = (
        [{"collection": name, **common} for name in names]
        for names in (plan.top_level, plan.children)
    )
    return top_level, child


def summarize_run(
    top_level: Iterable[Task] | None,
    child: Iterable[Task] | None,
    reports: Iterable[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Log one line for each collection; fail if any of them was not backfilled.

    A collection that the key may not read counts as a failure only if the sync's setting
    ``fail_when_forbidden`` is on.

    Args:
        top_level: Tasks for the top-level collections; None if planning failed.
        child: Tasks for the child collections; None if planning failed.
        reports: Results of the backfill tasks that succeeded.

    Returns:
        The reports of all collections, in the order of the plan.

    Raises:
        AirflowException: Names the collections that failed, and the reasons; with
            ``fail_when_forbidden`` also those that the key may not read, and the permissions that
            it lacks.
    """
    if top_level is None or child is None:
        msg = "nothing was backfilled: the task 'plan' failed, see its log"
        raise AirflowException(msg)
    tasks = [*top_level, *child]
    by_name = {report["collection"]: dict(report) for report in reports}
    missing = [task["collection"] for task in tasks if task["collection"] not in by_name]
    for name, message in _failure_messages(tasks, missing).items():
        by_name[name] = dict.fromkeys(_COLUMNS) | {
            "collection": name,
            "status": "failed",
            "message": message,
        }
    rows = [by_name[task["collection"]] for task in tasks]
    log.info("Backfill of %s collections\n%s", len(rows), format_table(rows, _COLUMNS))
    if problems := [*_failures(rows, missing), *_forbidden(rows, tasks)]:
        raise AirflowException(" ".join(problems))
    return rows


def _failure_messages(tasks: Sequence[Task], missing: Sequence[str]) -> dict[str, str]:
    """Why collections have no report, by short name."""
    if not missing:
        return {}
    from stripe_sync import status

    sync = tasks[0]["sync"]
    stored = {state.collection: state.message for state in status(connections_for(sync), sync)}
    return {name: stored.get(name) or "the task was stopped; see its log" for name in missing}


def _failures(rows: Sequence[Mapping[str, Any]], missing: Sequence[str]) -> Iterator[str]:
    if missing:
        reasons = "; ".join(
            f"{row['collection']}: {row['message']}" for row in rows if row["collection"] in missing
        )
        yield f"{len(missing)} of {len(rows)} collections were not backfilled. {reasons}."


def _forbidden(rows: Sequence[Mapping[str, Any]], tasks: Sequence[Task]) -> Iterator[str]:
    """The collections that the key may not read, if the sync's settings make that a failure."""
    forbidden = [row for row in rows if row["status"] == "forbidden"]
    if forbidden and _settings_of(tasks[0]["sync"]).fail_when_forbidden:
        lacking = "; ".join(
            f"{row['collection']}: {row['permission'] or row['message']}" for row in forbidden
        )
        share = f"{len(forbidden)} of {len(rows)} collections"
        yield f"The key lacks permission for {share}. {lacking}."


def _settings_of(sync: str) -> SyncSettings:
    from stripe_sync import sync_settings

    return sync_settings(connections_for(sync), sync)
