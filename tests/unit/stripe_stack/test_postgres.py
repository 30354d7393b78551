"""The embedded server of a stack."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from stripe_stack.database.postgres import Postgres
from stripe_stack.processes import Processes
from stripe_stack.settings import Secrets, Settings, stack_secrets


def server(folder: Path) -> Postgres:
    return Postgres(Settings(stack_dir=folder), stack_secrets(folder))


def test_a_second_start_keeps_the_data_and_wants_the_password(tmp_path: Path) -> None:
    with Processes(tmp_path / "logs") as processes:
        first = server(tmp_path)
        first.start(processes, durable=False)
        with psycopg.connect(first.url("warehouse")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS answer")
        assert server(tmp_path).runs
    assert not first.runs

    with Processes(tmp_path / "logs") as processes:
        second = server(tmp_path)
        second.start(processes, durable=False)
        with psycopg.connect(second.url("warehouse")) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (1,)
        secrets = Secrets(postgres_password="guessed")
        stranger = Postgres(Settings(stack_dir=tmp_path), secrets)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(stranger.url("warehouse"))


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    made = stack_secrets(tmp_path)

    assert stack_secrets(tmp_path) == made
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0
