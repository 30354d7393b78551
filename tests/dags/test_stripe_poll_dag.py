"""The sensor that watches Stripe's events, against the sandbox."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import httpx
import psycopg
import pytest

pytestmark = pytest.mark.usefixtures("connections")


def watch(seconds: float) -> Any:
    """A sensor for the sync ``default``."""
    from stripe_airflow.sensors.stripe_events import StripeEventSensor

    return StripeEventSensor(task_id="watch", syncs=["default"], run_seconds=seconds)


def change_customer(sandbox: Any, name: str) -> None:
    """Make a customer and rename it, as an application would."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers) as stripe:
        customer = stripe.post("/v1/customers", data={"name": "Duncan Idaho"}).json()["id"]
        stripe.post(f"/v1/customers/{customer}", data={"name": name}).raise_for_status()


def leases(warehouse_url: str) -> int:
    """How many pollers hold a lease."""
    query = "SELECT count(*) FROM stripe_sync.poll_state WHERE lease_until > now()"
    with psycopg.connect(warehouse_url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def stop_once_it_polls(warehouse_url: str) -> None:
    """Send this process what Airflow sends a task that shall stop."""
    while not leases(warehouse_url):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)


def test_one_run_applies_what_happens_while_it_lasts(sandbox: Any, warehouse_url: str) -> None:
    watch(0.1).execute({})  # takes the fence
    change_customer(sandbox, "Paul Atreides")

    report = watch(0.1).execute({})

    assert report["stripe_events"] == 2
    assert report["lag_p50"] is not None
    with psycopg.connect(warehouse_url) as connection:
        names = connection.execute(
            "SELECT payload->>'name' FROM stripe_raw.records"
            " WHERE collection_id = 'stripe:customer'"
        ).fetchall()
    assert names == [("Paul Atreides",)]


def test_a_quiet_run_reports_no_lag(sandbox: Any) -> None:
    report = watch(0.1).execute({})

    assert (report["stripe_events"], report["lag_p50"], report["lag_p99"]) == (0, None, None)


def test_a_request_to_stop_ends_the_loop_and_gives_the_lease_back(
    sandbox: Any, warehouse_url: str
) -> None:
    sensor = watch(60)
    watch(0.1).execute({})  # makes the tables
    before = signal.signal(signal.SIGTERM, lambda *_: sensor.on_kill())
    stopper = threading.Thread(target=stop_once_it_polls, args=(warehouse_url,))
    stopper.start()
    try:
        with pytest.raises(SystemExit):
            sensor.execute({})
    finally:
        stopper.join()
        signal.signal(signal.SIGTERM, before)

    assert leases(warehouse_url) == 0


def test_the_dag_watches_all_the_time_in_bounded_runs(dags: dict[str, Any]) -> None:
    dag = dags["stripe_poll"]
    given = dag.get_task("watch").partial_kwargs

    assert type(dag.timetable).__name__ == "ContinuousTimetable"
    assert (given["poke_interval"], given["run_seconds"]) == (0.5, 300)


def test_each_run_has_a_logical_date_of_its_own(dags: dict[str, Any]) -> None:
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import DataInterval, TimeRestriction

    dag = dags["stripe_poll"]
    timetable = coerce_to_core_timetable(dag.timetable)
    restriction = TimeRestriction(dag.start_date, None, catchup=False)
    dates = []
    last: DataInterval | None = None
    for _ in range(3):
        info = timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=restriction
        )
        last = info.data_interval
        dates.append(info.logical_date)
    assert len(set(dates)) == 3
