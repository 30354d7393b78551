"""First task of the DAG stripe_replicate."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.reporting import format_table

if TYPE_CHECKING:
    from stripe_sync import Replication

log = logging.getLogger(__name__)


def run_replication(params: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Copy a sync onto a live mode key, or log what that would change.

    Args:
        params: The DAG's parameters: source, target, connection_id, apply.

    Returns:
        Arguments of the task that triggers the backfill: one dict, or none if nothing is to be
        backfilled; and the :class:`stripe_sync.Replication` as JSON.

    Raises:
        StripeSyncError: As :func:`stripe_sync.replicate_sync` raises it.
    """
    from pydantic import TypeAdapter

    from stripe_sync import replicate_sync

    target, connection_id = params["target"], params["connection_id"] or None
    done = replicate_sync(
        connections_for(target, stripe_conn_id=connection_id),
        params["source"],
        target,
        connection_id=connection_id,
        dry_run=not params["apply"],
    )
    _log(done)
    runs: list[dict[str, Any]] = []
    if done.is_applied and done.backfill:
        names = [collection_id.partition(":")[2] for collection_id in done.backfill]
        conf = {"sync": target, "collections": names}
        runs = [{"trigger_run_id": done.backfill_run_id, "conf": conf}]
    return runs, TypeAdapter(type(done)).dump_python(done, mode="json")


def _log(done: Replication) -> None:
    rows = [asdict(change) for change in done.changes]
    log.info(
        "%s: %s → %s (account %s, live mode), action %s\n%s",
        "Applied" if done.is_applied else "Dry run, nothing was changed",
        done.source,
        done.target,
        done.account_id or "unknown",
        done.action,
        format_table(rows, ("field", "old", "new")),
    )
    for each in done.missing:
        log.warning(
            "The key may not read %s: it lacks %s", each.collection, ", ".join(each.missing_read)
        )
    for note in done.notes:
        log.warning("%s", note)
