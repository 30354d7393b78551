"""``stripe-sync consumers``, as a person uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from integration.streams.conftest import Streams
from stripe_sync.cli.app import app
from stripe_sync.records import canonical_json
from warehouse_rows import execute

Command = Callable[..., Result]


@pytest.fixture
def command(streams: Streams) -> Command:
    def run(*arguments: str, answer: str | None = None) -> Result:
        variables = {"WAREHOUSE_URL": streams.url, "COLUMNS": "250"}
        return CliRunner(env=variables).invoke(app, arguments, input=answer)

    return run


def test_a_consumer_from_creation_to_deletion(command: Command, streams: Streams) -> None:
    streams.customers(1, 2, 3)
    made = command(
        *("consumers", "create", "crm", "--kind", "pull", "--collection", "customer"),
        *("--setting", "max_deliver=3", "--metadata", "team=sales", "--json"),
    )
    assert made.exit_code == 0, made.output
    found = canonical_json.loads(made.stdout)
    assert found["settings"] == {"max_deliver": 3}
    assert found["filters"]["collection_id"] == ["stripe:customer"]
    listed = command("consumers", "list")
    assert "crm" in listed.stdout
    assert "active" in listed.stdout
    assert "paused" in command("consumers", "pause", "crm").stdout
    assert "active" in command("consumers", "resume", "crm").stdout
    assert command("consumers", "replay", "crm", "--from", "new", answer="n\n").exit_code == 1
    moved = command("consumers", "replay", "crm", "--from", "new", "--yes", "--json")
    assert canonical_json.loads(moved.stdout)["lag_items"] == 0
    assert command("consumers", "delete", "crm", "--yes").exit_code == 0
    gone = command("consumers", "show", "crm")
    assert (gone.exit_code, gone.stderr) == (1, "there is no consumer 'crm'\n")


def test_mistakes_are_one_line(command: Command) -> None:
    wrong = command("consumers", "create", "crm", "--kind", "pull", "--setting", "max_deliver=x")
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("settings.max_deliver: ")
    assert len(wrong.stderr.splitlines()) == 1


def test_dead_letters_are_shown_and_delivered_again(command: Command, streams: Streams) -> None:
    command("consumers", "create", "crm", "--kind", "pull")
    execute(
        streams.url,
        "INSERT INTO stripe_sync.consumer_items (consumer, sync_id, seq, collection_id,"
        " upstream_id, state, last_error) VALUES ('crm', %s, 7, 'stripe:plan', 'plan_7', 'dead',"
        " 'too large')",
        streams.id("north"),
    )
    shown = command("consumers", "dead-letters", "crm")
    assert "plan_7" in shown.stdout
    assert "too large" in shown.stdout
    again = command("consumers", "dead-letters", "crm", "--redeliver")
    assert again.stderr == "1 dead letters are delivered once more.\n"


def test_apply_makes_consumers_of_a_file(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "consumers.yaml"
    file.write_text("consumers:\n  - {name: crm, kind: pull, stream: events}\n")
    shown = command("apply", "-f", str(file), "--dry-run")
    assert "create" in shown.stdout
    assert command("apply", "-f", str(file), "--yes").exit_code == 0
    again = command("apply", "-f", str(file), "--yes")
    assert "are as they are declared" in again.stdout
