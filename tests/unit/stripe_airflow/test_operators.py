"""What all operators and the sensor have in common: connections, templates, retries, links."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, ExceptionRetryPolicy
from airflow.sdk.exceptions import AirflowSkipException

import stripe_sync
from stripe_airflow.operators.backfill import StripeBackfillOperator
from stripe_airflow.operators.dbt import StripeDbtOperator
from stripe_airflow.operators.maintain import StripeMaintainOperator
from stripe_airflow.operators.reconcile import StripeReconcileOperator
from stripe_airflow.operators.reload import StripeReloadOperator
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.sensors.stripe_events import StripeEventSensor
from stripe_sync import PollHealth, PollReport
from stripe_sync.errors import ConfigurationError, StripeSyncError

OF_A_COLLECTION: list[Any] = [StripeBackfillOperator, StripeReconcileOperator, StripeReloadOperator]
OF_A_SYNC: list[Any] = [*OF_A_COLLECTION, StripeMaintainOperator, StripeEventSensor]
ALL: list[Any] = [*OF_A_SYNC, StripeDbtOperator]


def operator(kind: Any, **kwargs: Any) -> Any:
    return kind(task_id="task", **required(kind), **kwargs)


def required(kind: Any) -> dict[str, Any]:
    """The arguments that have no default."""
    return {"collection": "customer"} if kind in OF_A_COLLECTION else {}


@pytest.mark.parametrize("kind", ALL)
def test_warehouse_and_lake_connections_are_templated_and_have_defaults(kind: Any) -> None:
    task = operator(kind)

    assert {"warehouse_conn_id", "lake_conn_id"} <= set(kind.template_fields)
    assert (task.warehouse_conn_id, task.lake_conn_id) == ("stripe_warehouse", "stripe_lake")


@pytest.mark.parametrize("kind", OF_A_SYNC)
def test_the_stripe_connection_is_templated_and_follows_the_sync_by_default(kind: Any) -> None:
    assert "stripe_conn_id" in kind.template_fields
    assert operator(kind).stripe_conn_id is None
    assert operator(kind, stripe_conn_id="billing").stripe_conn_id == "billing"


def test_the_default_stripe_connection_is_named_after_the_sync() -> None:
    assert operator(StripeMaintainOperator, sync="eu").resolved_stripe_conn_id() == "stripe_eu"
    given = operator(StripeMaintainOperator, sync="eu", stripe_conn_id="billing")
    assert given.resolved_stripe_conn_id() == "billing"


@pytest.mark.parametrize("kind", ALL)
def test_every_template_field_is_an_attribute(kind: Any) -> None:
    assert all(hasattr(operator(kind), field) for field in kind.template_fields)


def test_connections_can_be_set_for_a_whole_dag() -> None:
    with DAG("dag", default_args={"stripe_conn_id": "billing", "warehouse_conn_id": "db"}):
        task = operator(StripeBackfillOperator)

    assert (task.stripe_conn_id, task.warehouse_conn_id) == ("billing", "db")


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("given", [{}, {"retry_policy": None}])
def test_the_retry_policy_for_stripe_is_the_default(kind: Any, given: dict[str, Any]) -> None:
    assert operator(kind, **given).retry_policy is STRIPE_RETRY_POLICY


@pytest.mark.parametrize("kind", ALL)
def test_a_retry_policy_can_be_given(kind: Any) -> None:
    policy = ExceptionRetryPolicy(rules=[])

    assert operator(kind, retry_policy=policy).retry_policy is policy


def test_mapped_tasks_have_the_retry_policy() -> None:
    with DAG("dag"):
        mapped = StripeBackfillOperator.partial(task_id="task").expand(collection=["customer"])

    task = mapped.unmap({"collection": "customer"})
    assert task.retry_policy is STRIPE_RETRY_POLICY


@pytest.mark.parametrize("kind", ALL)
def test_every_task_links_to_the_data_docs(kind: Any) -> None:
    task: BaseOperator = operator(kind)

    assert "Data docs" in {link.name for link in task.operator_extra_links}


def test_the_sensor_refuses_the_mode_reschedule() -> None:
    with pytest.raises(ValueError, match="mode must be 'poke', not 'reschedule'"):
        operator(StripeEventSensor, mode="reschedule")


def test_the_sensor_refuses_one_stripe_connection_for_several_syncs() -> None:
    sensor = operator(StripeEventSensor, stripe_conn_id="billing", syncs=["eu", "us"])

    with pytest.raises(ConfigurationError, match="name exactly one"):
        sensor.execute({})


@pytest.mark.parametrize(
    ("kind", "given", "rule"),
    [
        (StripeEventSensor, {"shards": 0}, "shards must be a whole number of at least 1, not 0"),
        (StripeEventSensor, {"shard": 2, "shards": 2}, "shard must be below shards"),
        (StripeEventSensor, {"shard": -1}, "shard must be a whole number of at least 0, not -1"),
        (StripeEventSensor, {"poll_interval": 0}, "poll_interval must be a number above 0, not 0"),
        (StripeEventSensor, {"run_seconds": "5 min"}, "run_seconds must be .*, not '5 min'"),
        (StripeEventSensor, {"run_seconds": -1}, "run_seconds must be a number of at least 0"),
        (StripeReconcileOperator, {"window_days": 0}, "window_days must be a whole number"),
        (StripeReconcileOperator, {"window_days": True}, "window_days must be a whole number"),
        (StripeReconcileOperator, {"window_days": "1.5"}, "window_days must be a whole number"),
        (StripeBackfillOperator, {"requests_per_second": 0}, "requests_per_second must be"),
        (StripeBackfillOperator, {"requests_per_second": "fast"}, "requests_per_second must be"),
    ],
)
def test_wrong_numbers_are_refused_while_the_dag_is_parsed(
    kind: Any, given: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        operator(kind, **given)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (StripeEventSensor, "run_seconds"),
        (StripeReconcileOperator, "window_days"),
        (StripeBackfillOperator, "requests_per_second"),
    ],
)
def test_numbers_may_be_templates(kind: Any, name: str) -> None:
    with DAG("dag"):
        producer = operator(StripeMaintainOperator).output
        task = kind(task_id="given", **required(kind), **{name: "{{ params.number }}"})
        from_a_task = kind(task_id="from_a_task", **required(kind), **{name: producer})

    assert name in kind.template_fields
    assert getattr(task, name) == "{{ params.number }}"
    assert getattr(from_a_task, name) is producer


@pytest.mark.parametrize(
    ("text", "days"), [("7", 7), (7, 7), ("None", None), ("", None), (None, None)]
)
def test_a_rendered_window_becomes_days(
    monkeypatch: pytest.MonkeyPatch, text: object, days: int | None
) -> None:
    task = operator(StripeReconcileOperator, window_days="{{ params.window }}")
    task.window_days = text
    given = called_with(monkeypatch, "reconcile_collection", task)

    assert given["window"] == (None if days is None else timedelta(days=days))


@pytest.mark.parametrize(("text", "number"), [("2.5", 2.5), ("None", None), (None, None)])
def test_a_rendered_rate_becomes_a_number(
    monkeypatch: pytest.MonkeyPatch, text: object, number: float | None
) -> None:
    task = operator(StripeBackfillOperator, requests_per_second="{{ params.rate }}")
    task.requests_per_second = text
    given = called_with(monkeypatch, "backfill_collection", task)

    assert given["requests_per_second"] == number


def called_with(monkeypatch: pytest.MonkeyPatch, use_case: str, task: Any) -> dict[str, Any]:
    """The keyword arguments that a task calls a use case with."""
    given: dict[str, Any] = {}

    def record(*_: Any, **kwargs: Any) -> None:
        given.update(kwargs)
        raise StripeSyncError

    monkeypatch.setattr(stripe_sync, use_case, record, raising=False)
    monkeypatch.setattr(task, "connections", lambda: None)
    with pytest.raises(StripeSyncError):
        task.execute({})
    return given


class EndedPolling:
    """Polling whose thread ended without an error."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Whatever is to be polled."""

    def start(self) -> None:
        """Nothing starts."""

    def health(self) -> PollHealth:
        """It does not run."""
        return PollHealth(False, None, 0, {}, None, PollReport())

    def stop(self, timeout: float) -> PollReport:
        """It has ended before."""
        return PollReport()


def test_the_sensor_fails_when_polling_ended_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_sync, "BackgroundPolling", EndedPolling, raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_WAREHOUSE", "postgres://db/wh")

    with pytest.raises(StripeSyncError, match="polling ended before the run was over"):
        operator(StripeEventSensor, run_seconds=0).execute({})


def test_never_fail_applies_to_errors_of_the_start() -> None:
    sensor = operator(StripeEventSensor, never_fail=True, syncs="eu,us", stripe_conn_id="billing")

    with pytest.raises(AirflowSkipException):
        sensor.execute({})
