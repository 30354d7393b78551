"""The environment variables of the continuous DAGs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from stripe_airflow.runs.continuous import DELIVER, POLL, run_seconds_of, shards_of
from stripe_sync.errors import ConfigurationError


def test_without_the_variables_the_defaults_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_POLL_SHARDS", raising=False)
    monkeypatch.delenv("STRIPE_POLL_RUN_SECONDS", raising=False)

    assert (shards_of(POLL), run_seconds_of(POLL)) == (1, 300)


@pytest.mark.parametrize("text", ["", " "])
def test_empty_variables_select_the_defaults(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STRIPE_POLL_SHARDS", text)
    monkeypatch.setenv("STRIPE_POLL_RUN_SECONDS", text)

    assert (shards_of(POLL), run_seconds_of(POLL)) == (1, 300)


def test_the_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_POLL_SHARDS", "3")
    monkeypatch.setenv("STRIPE_POLL_RUN_SECONDS", "1.5")

    assert (shards_of(POLL), run_seconds_of(POLL)) == (3, 1.5)
    assert (shards_of(DELIVER), run_seconds_of(DELIVER)) == (1, 300)


@pytest.mark.parametrize("text", ["abc", "0", "-1", "1.5", "inf"])
def test_a_wrong_number_of_shards_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STRIPE_POLL_SHARDS", text)

    with pytest.raises(ConfigurationError, match=f"STRIPE_POLL_SHARDS must be .*, not '{text}'"):
        shards_of(POLL)


@pytest.mark.parametrize("text", ["abc", "0", "-1", "nan", "inf"])
def test_a_wrong_duration_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STRIPE_POLL_RUN_SECONDS", text)

    with pytest.raises(ConfigurationError, match=f"RUN_SECONDS must be .*, not '{text}'"):
        run_seconds_of(POLL)


def test_a_wrong_variable_does_not_concern_other_dags() -> None:
    wrong = {"STRIPE_POLL_SHARDS": "abc", "STRIPE_POLL_RUN_SECONDS": "abc"}
    program = "import stripe_airflow.params, stripe_airflow.operators.deliver"

    subprocess.run(  # a process of its own: this one has imported them
        [sys.executable, "-c", program], env={**os.environ, **wrong}, check=True
    )
