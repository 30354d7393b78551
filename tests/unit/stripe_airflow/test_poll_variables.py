"""The environment variables of stripe_poll."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from stripe_airflow.runs.poll import poll_run_seconds, poll_shards
from stripe_sync.errors import ConfigurationError


def test_without_the_variables_the_defaults_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_POLL_SHARDS", raising=False)
    monkeypatch.delenv("STRIPE_POLL_RUN_SECONDS", raising=False)

    assert (poll_shards(), poll_run_seconds()) == (1, 300)


@pytest.mark.parametrize("text", ["", " "])
def test_empty_variables_select_the_defaults(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STRIPE_POLL_SHARDS", text)
    monkeypatch.setenv("STRIPE_POLL_RUN_SECONDS", text)

    assert (poll_shards(), poll_run_seconds()) == (1, 300)


def test_the_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_POLL_SHARDS", "3")
    monkeypatch.setenv("STRIPE_POLL_RUN_SECONDS", "1.5")

    assert (poll_shards(), poll_run_seconds()) == (3, 1.5)


@pytest.mark.parametrize("text", ["abc", "0", "-1", "1.5", "inf"])
def test_a_wrong_number_of_shards_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STRIPE_POLL_SHARDS", text)

    with pytest.raises(ConfigurationError, match=f"STRIPE_POLL_SHARDS must be .*, not '{text}'"):
        poll_shards()


@pytest.mark.parametrize("text", ["abc", "0", "-1", "nan", "inf"])
def test_a_wrong_duration_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STRIPE_POLL_RUN_SECONDS", text)

    with pytest.raises(ConfigurationError, match=f"RUN_SECONDS must be .*, not '{text}'"):
        poll_run_seconds()


def test_a_wrong_variable_does_not_concern_other_dags() -> None:
    wrong = {"STRIPE_POLL_SHARDS": "abc", "STRIPE_POLL_RUN_SECONDS": "abc"}
    program = "import stripe_airflow.params, stripe_airflow.sensors.stripe_events"

    subprocess.run(  # a process of its own: this one has imported them
        [sys.executable, "-c", program], env={**os.environ, **wrong}, check=True
    )
