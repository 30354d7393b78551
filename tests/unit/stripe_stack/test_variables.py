"""The file ``.env``: what may be in it, and whom it reaches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_stack import variables
from stripe_stack.errors import StackError
from stripe_stack.settings import read_settings
from stripe_sync import SyncSettings


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An ``.env`` of its own, in an environment that is as before afterwards."""
    before = dict(os.environ)
    for name in (*variables.CONNECTION_EXTRAS, "STRIPE_API_KEY", "STRIPE_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(variables, "ENV_FILE", tmp_path / ".env")
    yield tmp_path / ".env"
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("name", SyncSettings.model_fields)
def test_every_setting_of_a_sync_may_be_in_the_file(env_file: Path, name: str) -> None:
    values = {
        "api_version": "2024-06-20",
        "include_parents": "quote",
        "cadence": "adaptive",
        "connected_accounts": "all",
        **dict.fromkeys(("exclude", "hash_fields"), "customer.email"),
        **dict.fromkeys(("redact", "created_events", "fail_when_forbidden"), "false"),
        **dict.fromkeys(("approve_mutations", "read_every_parent"), "true"),
    }
    value = values.get(name, "7")
    env_file.write_text(f"STRIPE_{name.upper()}={value}\n")

    variables.load_env_file()

    assert read_settings().connection_extras == {name: value}


def test_an_empty_variable_of_the_environment_hides_nothing_of_the_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("STRIPE_API_KEY=sk_test_file\nSTRIPE_MAX_AGE_DAYS=7\nSTRIPE_CADENCE=\n")
    for name, value in (("API_KEY", ""), ("MAX_AGE_DAYS", "9"), ("CADENCE", "adaptive")):
        monkeypatch.setenv(f"STRIPE_{name}", value)

    variables.load_env_file()

    assert read_settings().api_key == "sk_test_file"
    assert read_settings().connection_extras == {"max_age_days": "9", "cadence": "adaptive"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("STRIPE_API_KEYS=sk_test_1", "no setting STRIPE_API_KEYS (did you mean STRIPE_API_KEY?)"),
        ("STRIPE_MAX_AGE=3", "(did you mean STRIPE_MAX_AGE_DAYS?)"),
        ("STRIPE_POLL_SHARD=2", "(did you mean STRIPE_POLL_SHARDS?)"),
        ("warehouse_url=x", "(did you mean WAREHOUSE_URL?)"),
        ("COLOUR=blue", "no setting COLOUR (see .env.example)"),
        ("AIRFLOW__API__PORT=1", "is set by the stack itself: set AIRFLOW_PORT instead"),
        ("AIRFLOW__CORE__FERNET_KEY=x", "is set by the stack itself: remove it"),
    ],
)
def test_a_name_that_has_no_effect_is_refused(env_file: Path, line: str, message: str) -> None:
    env_file.write_text(f"{line}\n")

    with pytest.raises(StackError) as caught:
        variables.load_env_file()

    assert message in str(caught.value)
    assert "sk_test_1" not in str(caught.value)


def test_a_wrong_value_names_its_variable(env_file: Path) -> None:
    env_file.write_text("STRIPE_MAX_AGE_DAYS=soon\n")
    variables.load_env_file()

    with pytest.raises(StackError, match=r"STRIPE_MAX_AGE_DAYS: .*integer"):
        read_settings()


def test_a_publishable_key_is_named_as_what_it_is(env_file: Path) -> None:
    env_file.write_text("STRIPE_API_KEY=pk_test_123\n")
    variables.load_env_file()

    with pytest.raises(StackError, match="STRIPE_API_KEY has a wrong value: this is a publishable"):
        read_settings()


def test_airflow_gets_what_the_file_names_and_nothing_of_another_airflow(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "3")
    monkeypatch.delenv("STRIPE_POLL_SHARDS", raising=False)
    names = "AIRFLOW__CORE__PARALLELISM=2\nAIRFLOW_VAR_TEAM=data\nSTRIPE_POLL_SHARDS=4\n"
    env_file.write_text(names)

    variables.load_env_file()

    # The environment wins over the file.
    expected = {"AIRFLOW__CORE__PARALLELISM": "3", "AIRFLOW_VAR_TEAM": "data"}
    assert read_settings().airflow_variables == expected
    assert os.environ["STRIPE_POLL_SHARDS"] == "4"


def test_the_example_has_only_known_names(env_file: Path) -> None:
    example = (variables.ROOT / ".env.example").read_text().replace("\n#", "\n")
    env_file.write_text("\n".join(line for line in example.splitlines() if "=" in line[:40]))

    variables.load_env_file()
