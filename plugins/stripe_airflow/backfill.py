"""The beginning and the end of a backfill run: what to do, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import AirflowException

from stripe_airflow.hooks.connections import connections_for, stripe_conn_id, warehouse_url
from stripe_airflow.hooks.stripe import StripeHook
from stripe_airflow.operators.backfill import parse_since

if TYPE_CHECKING:
    from stripe_sync.warehouse.state.collections import CollectionStatus

log = logging.getLogger(__name__)

# One collection that fails must not keep back those that are read through others.
MAPPED: dict[str, Any] = {
    "pool": "stripe_backfill",
    "map_index_template": "{{ task.collection }}",
    "trigger_rule": TriggerRule.ALL_DONE,
}
"""Options of the mapped tasks, one for each collection."""

_COLUMNS = ("collection", "status", "objects", "requests", "seconds", "message")
_TEXTS = ("collection", "status", "message")


def plan_jobs(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Open the sync and say which collections to backfill.

    Args:
        params: The DAG's parameters: sync, collections, since, full, requests_per_second.

    Returns:
        Arguments of :class:`StripeBackfillOperator`, one dict for each collection.

    Raises:
        ConfigurationError: A collection or the date is not known.
    """
    from stripe_sync.sync.backfill.backfill import plan_backfill

    sync, since = params["sync"], params["since"]
    parse_since(since)  # before anything is asked of Stripe
    collections = plan_backfill(
        connections_for(sync),
        sync,
        list(params["collections"] or []) or None,
    )
    log.info("Backfilling %s collections: %s", len(collections), ", ".join(collections))
    common = {
        "sync": sync,
        "since": since,
        "full": bool(params["full"]),
        "requests_per_second": params.get("requests_per_second"),
    }
    return [{"collection": name, **common} for name in collections]


def pick_jobs(jobs: Iterable[Mapping[str, Any]], *, nested: bool) -> list[Mapping[str, Any]]:
    """Those jobs whose collections are read by themselves, or through others (``nested``).

    Those that are read through others come later: what is stored by then need not be asked for.
    """
    from stripe_sync.catalog import ID_PREFIX, load_catalog
    from stripe_sync.extract.reading import dependency_level

    catalog = load_catalog()
    stages = {
        j["collection"]: dependency_level(catalog, catalog.parent(ID_PREFIX + j["collection"]))
        for j in jobs
    }
    return [j for j in jobs if (stages[j["collection"]] > 1) is nested]


def conclude(
    jobs: Iterable[Mapping[str, Any]] | None, reports: Iterable[Mapping[str, Any]] | None
) -> list[dict[str, Any]]:
    """Log one line for each collection; fail when any of them was not backfilled.

    One that the key may not read is a failure only where the sync is strict.

    Args:
        jobs: What :func:`plan_jobs` returned; None when it failed.
        reports: What the backfill tasks that succeeded returned; None when none did.

    Returns:
        The reports of all, in the order of the jobs.

    Raises:
        AirflowException: Names the collections that failed, and why; in a strict sync also those
            that the key may not read, and the permissions that it lacks.
    """
    if jobs is None:
        msg = "nothing was backfilled: the task 'plan' failed, and its log says why"
        raise AirflowException(msg)
    done = {report["collection"]: dict(report) for report in reports or ()}
    wanted = {str(job["collection"]): str(job["sync"]) for job in jobs}
    sync = next(iter(wanted.values()), None)
    states = _states(sync)
    missing = {
        name: dict.fromkeys(_COLUMNS)
        | {"collection": name, "status": "failed", "message": _why(states.get(name))}
        for name in wanted
        if name not in done
    }
    rows: list[dict[str, Any]] = [done.get(name) or missing[name] for name in wanted]
    log.info("Backfill of %s collections\n%s", len(rows), format_table(rows))
    if problems := [*_failures(rows, missing), *_refusals(rows, sync)]:
        raise AirflowException(" ".join(problems))
    return rows


def _failures(
    rows: Sequence[Mapping[str, Any]], missing: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    if missing:
        reasons = "; ".join(f"{name}: {row['message']}" for name, row in missing.items())
        yield f"{len(missing)} of {len(rows)} collections were not backfilled. {reasons}."


def _refusals(rows: Sequence[Mapping[str, Any]], sync: str | None) -> Iterator[str]:
    """What the key may not read, where the sync's settings say that this is a failure."""
    refused = [row for row in rows if row["status"] == "forbidden"]
    if not refused or sync is None:
        return
    if StripeHook(stripe_conn_id(sync)).sync_settings().fail_when_forbidden:
        lacking = "; ".join(
            f"{row['collection']}: {row['permission'] or row['message']}" for row in refused
        )
        yield f"The key lacks permission for {len(refused)} of {len(rows)} collections. {lacking}."


def _states(sync: str | None) -> dict[str, CollectionStatus]:
    """How the sync's collections stand, by short name."""
    if sync is None:
        return {}
    from stripe_sync.sync.status import sync_status

    states = sync_status(warehouse_url(), sync)
    return {state.collection: state for state in states}


def _why(state: CollectionStatus | None) -> str:
    """Why a collection has no report."""
    return (state and state.message) or "the task was stopped; see its log"


def format_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = _COLUMNS) -> str:
    """Rows of a report as aligned text; by default those of a backfill."""
    cells = [list(columns), *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in _TEXTS else text.rjust(width)
            for column, text, width in zip(columns, line, widths, strict=True)
        ).rstrip()
        for line in cells
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if isinstance(value, float) else str(value)
