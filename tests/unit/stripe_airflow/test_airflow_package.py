"""What Airflow finds of the package: provider, plugin, retry rules, DAG parameters."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.module_loading import import_string

from stripe_airflow.backfill import format_table
from stripe_airflow.operators.backfill import StripeBackfillOperator, parse_since
from stripe_airflow.params import backfill_params
from stripe_airflow.provider_info import get_provider_info
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.sensors.stripe_events import StripeEventSensor
from stripe_sync import errors

ROOT = Path(__file__).parents[3]


def test_every_class_and_module_of_the_provider_metadata_exists() -> None:
    info = get_provider_info()

    for kind in info["connection-types"]:
        hook = import_string(kind["hook-class-name"])
        assert hook.conn_type == kind["connection-type"]
        assert hook.hook_name == kind["hook-name"]
    for section in ("hooks", "operators", "sensors"):
        for entry in info[section]:
            for module in entry["python-modules"]:
                assert import_string(f"{module}.__name__") == module


def test_airflow_accepts_the_provider_metadata() -> None:
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    assert "airflow-stripe-sync" in ProvidersManager().providers
    hooks = ProvidersManagerTaskRuntime().hooks
    assert [getattr(hooks[kind], "hook_name", None) for kind in ("stripe", "stripe_lake")] == [
        "Stripe",
        "Stripe lake",
    ]


def test_the_plugin_is_loaded_once_and_by_its_entry_point() -> None:
    [entry] = [e for e in entry_points(group="airflow.plugins") if e.name == "stripe_airflow"]

    assert entry.load().name == "stripe_airflow"
    assert (ROOT / "plugins/.airflowignore").read_text().splitlines()[-1] == "*"


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.AuthenticationError("x"), RetryAction.FAIL),
        (errors.PermissionDenied("x"), RetryAction.FAIL),
        (errors.ConfigurationError("x"), RetryAction.FAIL),
        (errors.InvalidRequest("x"), RetryAction.FAIL),
        (errors.RateLimited("x", reason="global-rate"), RetryAction.RETRY),
        (errors.ObjectLocked("x"), RetryAction.RETRY),
        (errors.StripeUnavailable("x"), RetryAction.RETRY),
        (errors.StripeUnreachable("x"), RetryAction.RETRY),
        (errors.WarehouseError("x"), RetryAction.RETRY),
        (errors.SyncBusy("x"), RetryAction.RETRY),
        (errors.LakeError("x"), RetryAction.RETRY),
        (ValueError("x"), RetryAction.DEFAULT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.value,
)
def test_only_failures_that_may_pass_are_tried_again(error: Exception, action: RetryAction) -> None:
    assert STRIPE_RETRY_POLICY.evaluate(error, 1, 3).action is action


@pytest.mark.parametrize("given", [None, STRIPE_RETRY_POLICY])
def test_our_tasks_follow_these_rules_by_default(given: object) -> None:
    tasks = [
        StripeBackfillOperator(task_id="a", collection="customer", retry_policy=given),
        StripeEventSensor(task_id="b", retry_policy=given),
    ]

    assert [task.retry_policy for task in tasks] == [STRIPE_RETRY_POLICY] * 2


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("", None),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T10:00:00+02:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_since_is_a_day_or_a_moment(text: str | None, moment: datetime | None) -> None:
    assert parse_since(text) == moment


def test_a_since_that_is_no_date_is_refused() -> None:
    with pytest.raises(errors.ConfigurationError, match="not 'yesterday'"):
        parse_since("yesterday")


def test_the_form_offers_every_collection_by_its_title() -> None:
    schema = backfill_params()["collections"].schema

    assert len(schema["examples"]) == 62
    assert schema["values_display"]["customer"] == "Customer"
    assert set(schema["values_display"]) == set(schema["examples"])


def test_the_table_lines_numbers_up_and_leaves_blanks() -> None:
    rows = [
        {"collection": "customer", "status": "done", "objects": 1200, "seconds": 1.25},
        {"collection": "tax_id", "status": "failed", "message": "why"},
    ]

    assert format_table(rows).splitlines() == [
        "collection  status  objects  requests  seconds  message",
        "customer    done       1200                1.2",
        "tax_id      failed                              why",
    ]
