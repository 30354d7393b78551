"""The sensor that polls Stripe events, against the sandbox, and its DAG."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from stripe_sync.errors import AuthenticationError
from stripe_sync.records.canonical_json import dumps
from warehouse_switch import warehouse_switch

pytestmark = pytest.mark.usefixtures("connections")

SECONDS = 60
"""How long a test waits for what must come."""


def sensor(**kwargs: Any) -> Any:
    """A sensor for the sync ``default`` that would run for long."""
    from stripe_airflow.sensors.stripe_events import StripeEventSensor

    given = {"syncs": ["default"], "run_seconds": 10 * SECONDS, "poke_interval": 0.1, **kwargs}
    return StripeEventSensor(task_id="poll", **given)


@contextmanager
def once(condition: Callable[[], bool], action: Callable[[], None]) -> Iterator[None]:
    """Beside the block, wait for a condition, then act."""
    deadline = time.monotonic() + SECONDS

    def wait() -> None:
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)
        action()

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        yield
    finally:
        waiting.join()


def run_until(condition: Callable[[], bool], polling: Any) -> dict[str, Any]:
    """Run a sensor; end the run as soon as the condition holds."""

    def end() -> None:
        polling.run_seconds = 0

    with once(condition, end):
        report: dict[str, Any] = polling.execute({})
    return report


def change_customer(sandbox: Any, name: str) -> None:
    """Create a customer and rename it, as an application would."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers) as stripe:
        customer = stripe.post("/v1/customers", data={"name": "Duncan Idaho"}).json()["id"]
        stripe.post(f"/v1/customers/{customer}", data={"name": name}).raise_for_status()


def count(warehouse_url: str, query: str) -> int:
    """The number that a query selects."""
    with psycopg.connect(warehouse_url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def leases(warehouse_url: str) -> int:
    """How many pollers have a lease."""
    query = "SELECT count(*) FROM stripe_sync.poll_state WHERE lease_until > now()"
    return count(warehouse_url, query)


def waits(polling: Any) -> bool:
    """Whether polling ended with an error, and begins again after a wait."""
    return polling._error is not None


def test_a_run_applies_the_changes_while_it_lasts(sandbox: Any, warehouse_url: str) -> None:
    run_until(lambda: leases(warehouse_url) == 1, sensor())  # sets the cutoff
    change_customer(sandbox, "Paul Atreides")
    stored = (
        "SELECT count(*) FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:customer' AND payload->>'name' = 'Paul Atreides'"
    )

    report = run_until(lambda: count(warehouse_url, stored) == 1, sensor())

    assert report["stripe_events"] == 2
    assert report["lag_p50"] is not None


def test_a_quiet_run_reports_no_lag(sandbox: Any, warehouse_url: str) -> None:
    report = run_until(lambda: leases(warehouse_url) == 1, sensor())

    assert report["polls"] >= 1
    assert (report["stripe_events"], report["lag_p50"], report["lag_p99"]) == (0, None, None)
    assert leases(warehouse_url) == 0


def test_the_stripe_connection_can_be_chosen(
    sandbox: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BILLING", os.environ["AIRFLOW_CONN_STRIPE_DEFAULT"])
    monkeypatch.delenv("AIRFLOW_CONN_STRIPE_DEFAULT")

    report = run_until(lambda: leases(warehouse_url) == 1, sensor(stripe_conn_id="billing"))

    assert report["polls"] >= 1


def test_a_revoked_key_fails_the_task_at_the_end_of_its_run(
    sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: a continuous DAG that fails at once starts its next run at once."""
    fields = {"conn_type": "stripe", "password": "sk_test_revoked", "host": sandbox.base_url}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_DEFAULT", dumps(fields).decode())
    polling = sensor()

    def end() -> None:
        polling.run_seconds = 0

    with once(lambda: waits(polling), end), pytest.raises(AuthenticationError):
        polling.execute({})


def test_polling_begins_when_the_key_is_mended(
    sandbox: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"conn_type": "stripe", "password": "sk_test_new", "host": sandbox.base_url}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_DEFAULT", dumps(fields).decode())

    polling = sensor()

    with once(lambda: waits(polling), lambda: sandbox.control.add_key("sk_test_new")):
        report = run_until(lambda: leases(warehouse_url) == 1, polling)

    assert report["polls"] >= 1


def test_polling_begins_when_the_warehouse_can_be_reached(
    sandbox: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warehouse_switch(warehouse_url) as switch:
        name = conninfo_to_dict(warehouse_url)["dbname"]
        fields = {"conn_type": "postgres", "host": str(switch.folder), "login": "postgres"}
        connection = dumps(fields | {"schema": name}).decode()
        monkeypatch.setenv("AIRFLOW_CONN_STRIPE_WAREHOUSE", connection)
        switch.off()
        polling = sensor()

        def is_down() -> bool:
            return polling._polling is not None and polling._polling.health().warehouse_error

        with once(is_down, switch.on):
            report = run_until(lambda: leases(warehouse_url) == 1, polling)

    assert report["polls"] >= 1


def test_a_missing_connection_fails_the_task_at_the_end_of_its_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.sdk.exceptions import AirflowNotFoundException

    monkeypatch.delenv("AIRFLOW_CONN_STRIPE_WAREHOUSE")
    polling = sensor()

    def end() -> None:
        polling.run_seconds = 0

    with once(lambda: waits(polling), end), pytest.raises(AirflowNotFoundException):
        polling.execute({})


def test_a_run_longer_than_timeout_fails_as_for_every_sensor(warehouse_url: str) -> None:
    from airflow.sdk.exceptions import AirflowSensorTimeout

    with pytest.raises(AirflowSensorTimeout):
        sensor(timeout=0).execute({})

    assert leases(warehouse_url) == 0


def test_a_timeout_with_soft_fail_skips_the_task(warehouse_url: str) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException):
        sensor(timeout=0, soft_fail=True).execute({})

    assert leases(warehouse_url) == 0


def test_a_request_to_stop_ends_polling_and_releases_the_lease(
    sandbox: Any, warehouse_url: str
) -> None:
    polling = sensor()
    before = signal.signal(signal.SIGTERM, lambda *_: polling.on_kill())
    try:
        with (
            once(lambda: leases(warehouse_url) == 1, lambda: os.kill(os.getpid(), signal.SIGTERM)),
            pytest.raises(SystemExit),
        ):
            polling.execute({})
    finally:
        signal.signal(signal.SIGTERM, before)

    assert leases(warehouse_url) == 0


def test_the_dag_polls_continuously_in_bounded_runs(dags: dict[str, Any]) -> None:
    dag = dags["stripe_poll"]
    given = dag.get_task("poll").partial_kwargs

    assert type(dag.timetable).__name__ == "ContinuousTimetable"
    assert (given["poll_interval"], given["run_seconds"]) == (0.5, 300)


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
