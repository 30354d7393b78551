"""The pool that the plugin creates when a component of Airflow starts."""

from __future__ import annotations

import pytest

from stripe_airflow.pools import BACKFILL_POOL, BACKFILL_SLOTS

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture(autouse=True)
def without_pool() -> None:
    """A database without the pool, as it is before the first start."""
    from airflow.models.pool import Pool

    if Pool.get_pool(BACKFILL_POOL) is not None:
        Pool.delete_pool(BACKFILL_POOL)


def slots() -> int | None:
    """Slots of the pool; None when it does not exist."""
    from airflow.models.pool import Pool

    pool = Pool.get_pool(BACKFILL_POOL)
    return pool and pool.slots


def start_component() -> None:
    """What the scheduler does first when it starts."""
    from airflow.jobs.job import Job

    Job()


def test_it_is_created_at_the_first_start() -> None:
    start_component()

    assert slots() == BACKFILL_SLOTS


def test_the_slots_that_an_administrator_set_stay() -> None:
    from airflow.models.pool import Pool

    Pool.create_or_update_pool(BACKFILL_POOL, slots=9, description="x", include_deferred=False)

    start_component()

    assert slots() == 9


def test_a_task_does_not_create_it() -> None:
    from airflow.listeners.listener import get_listener_manager
    from airflow.sdk.execution_time.task_runner import TaskRunnerMarker

    get_listener_manager().hook.on_starting(component=TaskRunnerMarker())

    assert slots() is None
