"""The grown-up set-up, which cannot be run everywhere: its parts exist and fit together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
COMPONENTS = ["api-server", "scheduler", "dag-processor", "triggerer"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yaml").read_text()))


@pytest.fixture(scope="module")
def environment(compose: dict[str, Any]) -> dict[str, str]:
    return dict(compose["services"]["airflow-scheduler"]["environment"])


def test_there_is_a_service_for_each_component_and_airflow_has_its_command(
    compose: dict[str, Any],
) -> None:
    from airflow.cli.cli_config import core_commands

    known = {command.name for command in core_commands}
    for component in COMPONENTS:
        service = compose["services"][f"airflow-{component}"]
        assert service["command"] == component
        assert component in known
        assert service["healthcheck"]["test"]
        assert service["depends_on"]["airflow-init"] == {
            "condition": "service_completed_successfully"
        }


def test_every_option_exists(environment: dict[str, str]) -> None:
    from airflow.configuration import conf

    options = [name for name in environment if name.startswith("AIRFLOW__")]
    assert len(options) > 10
    for name in options:
        section, option = name.removeprefix("AIRFLOW__").lower().split("__")
        assert option in conf.configuration_description[section]["options"], name


def test_all_components_share_one_token_secret(
    compose: dict[str, Any], environment: dict[str, str]
) -> None:
    assert "AIRFLOW_JWT_SECRET" in environment["AIRFLOW__API_AUTH__JWT_SECRET"]
    for component in COMPONENTS:
        assert compose["services"][f"airflow-{component}"]["environment"] == environment


def test_the_executor_is_airflows_own(environment: dict[str, str]) -> None:
    from airflow.executors.executor_constants import CORE_EXECUTOR_NAMES

    assert environment["AIRFLOW__CORE__EXECUTOR"] in CORE_EXECUTOR_NAMES


def test_the_pool_of_the_backfill_is_made(compose: dict[str, Any]) -> None:
    script = compose["services"]["airflow-init"]["command"][0]

    assert "airflow db migrate" in script
    assert "airflow pools set stripe_backfill" in script


def test_variables_without_a_default_are_in_the_example(environment: dict[str, str]) -> None:
    text = (ROOT / "docker-compose.yaml").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))

    example = (ROOT / ".env.example").read_text()
    assert needed
    assert {name for name in needed if f"#{name}=" not in example} == set()


def test_the_image_brings_the_airflow_that_is_locked() -> None:
    image = re.search(
        r"^FROM apache/airflow:slim-([\d.]+)-", (ROOT / "Dockerfile").read_text(), re.M
    )
    locked = re.search(r"^apache-airflow==([\d.]+)$", (ROOT / "requirements.txt").read_text(), re.M)

    assert image
    assert locked
    assert image[1] == locked[1]
