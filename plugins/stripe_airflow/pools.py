"""The pool of the tasks that read whole collections, and a listener that creates it.

The scheduler never starts a task whose pool does not exist, and a task can neither read nor create
pools. Therefore the pool is created when a component of Airflow with access to its database
starts: scheduler, triggerer, DAG processor.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.listeners import hookimpl

log = logging.getLogger(__name__)

BACKFILL_POOL = "stripe_backfill"
"""Limits the collections that backfills, reconciles and reloads of all syncs read at a time."""

BACKFILL_SLOTS = 4
"""Slots of a new pool; ``airflow pools set`` or the UI changes them."""

_DESCRIPTION = "Collections that are backfilled, reconciled or reloaded at the same time"


@hookimpl
def on_starting(component: Any) -> None:
    """Create the pool unless it exists; its slots stay as an administrator set them.

    Args:
        component: The Airflow component that starts.
    """
    from airflow.jobs.job import Job

    if not isinstance(component, Job):  # a task: it has no access to the database
        return
    try:
        _create_pool()
    except Exception:  # the component must start in any case
        log.exception(
            "The pool %s could not be created, and without it no collection is read. Create it:"
            " airflow pools set %s %s %r",
            BACKFILL_POOL,
            BACKFILL_POOL,
            BACKFILL_SLOTS,
            _DESCRIPTION,
        )


def _create_pool() -> None:
    from airflow.models.pool import Pool
    from sqlalchemy.exc import IntegrityError

    if Pool.get_pool(BACKFILL_POOL) is not None:
        return
    try:
        Pool.create_or_update_pool(
            BACKFILL_POOL, slots=BACKFILL_SLOTS, description=_DESCRIPTION, include_deferred=False
        )
    except IntegrityError:  # another component that starts has just created it
        return
    log.info("Created the pool %s with %s slots", BACKFILL_POOL, BACKFILL_SLOTS)
