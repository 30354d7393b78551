"""What ``make up`` says when something is in the way: one line, and nothing left running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from stripe_stack.settings import free_port


@pytest.fixture
def closed_port() -> int:
    """A port on which nothing listens."""
    return free_port()


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port on which something listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def up(stack_dir: Path, **settings: object) -> tuple[int, str]:
    """Try to start the stack; returns the exit code and what it wrote to standard error."""
    unset = dict.fromkeys(
        ("STRIPE_API_KEY", "STRIPE_API_BASE", "STRIPE_ACCOUNT", "WAREHOUSE_URL", "LAKE_URL"), ""
    )
    ports = {"AIRFLOW_PORT": free_port(), "SANDBOX_PORT": free_port()}
    given = {**unset, **ports, "STACK_DIR": stack_dir, **settings}
    done = subprocess.run(
        [sys.executable, "-m", "stripe_stack.cli", "up"],
        env=os.environ | {name: str(value) for name, value in given.items()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    left = [p for p in psutil.process_iter(["cmdline"]) if str(stack_dir) in str(p.info["cmdline"])]
    assert left == []
    return done.returncode, done.stderr


def assert_one_line(outcome: tuple[int, str], *parts: str) -> None:
    """It failed, with a single line that says all this."""
    code, text = outcome
    assert code == 1, text
    assert text.startswith("✗ ")
    assert text.count("\n") == 1
    for part in parts:
        assert part in text


@pytest.mark.parametrize("setting", ["AIRFLOW_PORT", "SANDBOX_PORT"])
def test_a_port_in_use(tmp_path: Path, busy_port: int, setting: str) -> None:
    outcome = up(tmp_path, **{setting: busy_port})

    assert_one_line(outcome, f"Port {busy_port} cannot be used", f"set {setting} to another")


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("AIRFLOW_PORT", "eighty", "AIRFLOW_PORT has a wrong value"),
        ("AIRFLOW_PORT", "70000", "AIRFLOW_PORT has a wrong value"),
        ("STRIPE_API_KEY", "pk_test_public", "this is a publishable key"),
        ("WAREHOUSE_URL", "mysql://db/x", "must look like postgresql://"),
        ("STRIPE_API_BASE", "api.stripe.com", "must start with https://"),
        ("STRIPE_API_BASE", "https://example.test", "STRIPE_API_KEY is not"),
    ],
)
def test_a_value_that_cannot_be(tmp_path: Path, setting: str, value: str, reason: str) -> None:
    outcome = up(tmp_path, **{setting: value})

    assert_one_line(outcome, reason)
    assert "pk_test_public" not in outcome[1]


def test_a_key_that_stripe_refuses(tmp_path: Path, sandbox: Any) -> None:
    outcome = up(
        tmp_path, STRIPE_API_KEY="sk_test_revokedrevoked", STRIPE_API_BASE=sandbox.base_url
    )

    assert_one_line(outcome, "Stripe refuses the key in STRIPE_API_KEY")
    assert "sk_test_revokedrevoked" not in outcome[1]


def test_a_stripe_that_does_not_answer(tmp_path: Path, closed_port: int) -> None:
    base = f"http://127.0.0.1:{closed_port}"

    outcome = up(tmp_path, STRIPE_API_KEY="sk_test_1", STRIPE_API_BASE=base)

    assert_one_line(outcome, f"Stripe cannot be asked at {base}", "STRIPE_API_BASE")


def test_a_warehouse_that_does_not_answer(tmp_path: Path, closed_port: int) -> None:
    url = f"postgresql://user:hidden@127.0.0.1:{closed_port}/warehouse"

    outcome = up(tmp_path, WAREHOUSE_URL=url)

    assert_one_line(outcome, "The warehouse in WAREHOUSE_URL cannot be used")
    assert "hidden" not in outcome[1]


def test_a_lake_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    outcome = up(tmp_path, LAKE_URL=tmp_path / "file/lake")

    assert_one_line(outcome, "cannot be written", "set LAKE_URL")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert_one_line(up(tmp_path / "file/stack"), "cannot be made", "set STACK_DIR")


def test_a_second_stack_in_the_same_folder(tmp_path: Path) -> None:
    from stripe_stack.stack import only_one

    with only_one(tmp_path):
        outcome = up(tmp_path)

    assert_one_line(outcome, "Another stack is running")
