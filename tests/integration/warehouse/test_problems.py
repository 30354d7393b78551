"""Syncs that are not up to date: the rule, and what monitors see of it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from stripe_sync.cli.app import app
from stripe_sync.records.canonical_json import loads
from stripe_sync.warehouse import Warehouse
from unit.records.changes.observations import SYNC

ADAPTIVE = '{"cadence": "adaptive", "longest_poll_interval": 300}'
FIXED = '{"cadence": "fixed", "longest_poll_interval": 300}'


def execute(url: str, statement: str, *values: Any) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode(), values)


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of ``stripe-sync check``."""
    result = CliRunner().invoke(app, ["check", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def polled(warehouse: Warehouse, warehouse_url: str) -> str:
    """A warehouse whose sync is polled, however long the test takes."""
    later = "now() + interval '1 hour'"
    execute(warehouse_url, f"UPDATE stripe_sync.poll_state SET polled_at = {later}")
    return warehouse_url


@pytest.mark.parametrize(
    ("status", "settings", "age", "warned"),
    [
        ("active", "{}", "5 seconds", False),
        ("active", "{}", "2 minutes", True),
        ("active", FIXED, "2 minutes", True),
        ("active", FIXED, "40 days", True),
        ("paused", FIXED, "40 days", False),
        ("active", ADAPTIVE, "10 minutes", False),
        ("active", ADAPTIVE, "20 minutes", True),
        ("active", '{"cadence": "adaptive"}', "20 minutes", True),
        ("active", FIXED, None, True),
    ],
)
def test_an_active_sync_that_is_not_polled_has_a_warning(
    warehouse_url: str, status: str, settings: str, age: str | None, *, warned: bool
) -> None:
    with psycopg.connect(warehouse_url) as connection:
        row = connection.execute(
            "SELECT stripe_sync.not_polled_warning("
            "%s, %s::jsonb, '2026-01-02 03:04:05+00', now() - %s::interval)",
            (status, settings, age),
        ).fetchone()
    assert row is not None
    assert (row[0] is not None) == warned
    if warned:
        assert row[0].startswith("not polled since 20")
    if age is None:
        assert "2026-01-02 03:04:05 UTC" in row[0]


def test_all_is_well(polled: str) -> None:
    assert run("--warehouse-url", polled) == (0, "All active syncs are up to date.\n")
    assert run("--warehouse-url", polled, "--json") == (0, "[]\n")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "UPDATE stripe_sync.poll_state SET polled_at = now() - interval '1 hour'",
            "not polled since",
        ),
        ("UPDATE stripe_sync.poll_state SET message = 'the key [is] wrong'", "the key [is] wrong"),
        (
            "INSERT INTO stripe_sync.collection_state (sync_id, collection_id, status, message)"
            f" VALUES ('{SYNC}', 'stripe:charge', 'failed', 'it broke')",
            "the backfill of stripe:charge failed: it broke",
        ),
        (
            "INSERT INTO stripe_sync.retention_gaps (sync_id, began_at, ended_at, reason)"
            f" VALUES ('{SYNC}', now() - interval '40 days', now() - interval '2 days', 'a gap')",
            "a gap: not reconciled since",
        ),
    ],
    ids=["not polled", "refused", "failed backfill", "open gap"],
)
def test_what_is_wrong_is_printed_and_the_exit_code_is_1(
    polled: str, statement: str, problem: str
) -> None:
    execute(polled, statement)
    code, output = run("--warehouse-url", polled, "--json")
    [row] = loads(output.encode())
    assert (code, row["sync"]) == (1, "main")
    assert row["problem"].startswith(problem)
    code, output = run("--warehouse-url", polled)
    assert code == 1
    assert problem in " ".join(output.replace("│", " ").split())

    execute(polled, "UPDATE stripe_sync.syncs SET status = 'paused'")
    assert run("--warehouse-url", polled)[0] == 0


def test_the_warehouse_may_come_from_the_environment(
    polled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", polled)
    assert run()[0] == 0


def test_a_warehouse_that_cannot_be_asked_is_not_well(empty_database_url: str) -> None:
    code, output = run("--warehouse-url", "postgresql://me:secret@127.0.0.1:1/db")
    assert code == 2
    assert "cannot reach the warehouse" in output
    assert "secret" not in output
    code, output = run("--warehouse-url", empty_database_url)
    assert code == 2
    assert "no tables yet" in output
    with psycopg.connect(empty_database_url) as connection:  # it has changed nothing
        schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'stripe%'"
        assert connection.execute(schemas).fetchone() == (0,)
