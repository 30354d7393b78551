"""``stripe-sync mutate``, as the installed command runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stripe_sandbox.server import Running
from stripe_sync import create_sync
from stripe_sync.cli.app import app
from stripe_sync.records.canonical_json import dumps, loads
from sync_harness import SYNC, SyncHarness, make_harness

NOTHING_SENT = 2


@pytest.fixture
def harness(sandbox: Running, warehouse_url: str, tmp_path: Path) -> SyncHarness:
    """A sync that never ran."""
    create_sync(warehouse_url, SYNC, livemode=False)
    return make_harness(sandbox, warehouse_url, tmp_path)


def mutate(harness: SyncHarness, *arguments: str, given: str | None = None) -> Result:
    where = harness.connections
    environment = {
        "WAREHOUSE_URL": where.warehouse_url,
        "LAKE_URL": where.lake_url,
        "STRIPE_API_BASE": where.credential.api_base,
        "STRIPE_API_KEY": where.credential.api_key,
        "COLUMNS": "200",
    }
    return CliRunner().invoke(app, ["mutate", *arguments], env=environment, input=given)


def test_records_come_from_an_option_a_file_or_standard_input(
    harness: SyncHarness, tmp_path: Path
) -> None:
    made = mutate(harness, SYNC, "customer", "create", "--data", '{"name": "a"}', "--json")
    assert made.exit_code == 0, made.output
    [record] = loads(made.stdout)["records"]
    assert harness.record(record["upstream_id"])["payload"]["name"] == "a"

    file = tmp_path / "changes.json"
    file.write_bytes(dumps([{"id": record["upstream_id"], "name": "b"}, {"id": "cus_none"}]))
    changed = mutate(harness, SYNC, "stripe.customer", "update", "--file", str(file))
    assert (changed.exit_code, "refused" in changed.stdout) == (1, True)
    assert record["upstream_id"] in changed.stdout
    assert "No such customer" in changed.stdout

    gone = mutate(
        harness, SYNC, "customer", "delete", "-", given=f'{{"id": "{record["upstream_id"]}"}}'
    )
    assert gone.exit_code == 0, gone.output
    assert harness.record(record["upstream_id"])["deleted"] is True


def test_a_key_repeats_nothing_and_another_record_is_refused(harness: SyncHarness) -> None:
    arguments = (SYNC, "customer", "create", "--key", "k", "--await", "lake", "--data")
    first, again = (mutate(harness, *arguments, '{"name": "a"}', "--json") for _ in range(2))
    assert (first.exit_code, first.stdout) == (0, again.stdout)
    other = mutate(harness, *arguments, '{"name": "b"}')
    assert (other.exit_code, "another" in other.stderr) == (NOTHING_SENT, True)
    assert len(harness.sandbox.control.objects("customer")) == 1


def test_live_mode_asks(harness: SyncHarness) -> None:
    create_sync(harness.connections.warehouse_url, "shop", livemode=True)
    live = harness.with_key("sk_live_sandbox")
    arguments = ("shop", "customer", "create", "--data", '{"name": "a"}')
    refused = mutate(live, *arguments, given="n\n")
    assert (refused.exit_code, "This is live mode" in refused.stderr) == (NOTHING_SENT, True)
    assert harness.sandbox.control.objects("customer", livemode=True) == []
    piped = mutate(live, "shop", "customer", "create", "-", given='{"name": "a"}')
    assert (piped.exit_code, "--yes" in piped.stderr) == (NOTHING_SENT, True)
    assert mutate(live, *arguments, "--yes").exit_code == 0
    assert len(harness.sandbox.control.objects("customer", livemode=True)) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "SYNC"),
        ((SYNC, "customer"), "KIND"),
        ((SYNC, "customer", "create"), "give one of"),
        ((SYNC, "customer", "create", "-", "--data", "{}"), "give one of"),
        ((SYNC, "customer", "create", "x"), "standard input"),
        ((SYNC, "customer", "create", "--data", "{"), "no JSON"),
        ((SYNC, "customer", "create", "--file", "/nowhere"), "cannot be read"),
        ((SYNC, "customer", "create", "--data", '{"nme": "a"}'), "did you mean name"),
        ((SYNC, "customer", "finalize", "--data", "{}"), "create, update, delete"),
        ((SYNC, "event", "create", "--data", "{}"), "cannot be written"),
        (("nowhere", "customer", "create", "--data", "{}"), "nowhere"),
        ((SYNC, "customer", "create", "--data", "{}", "--await", "laek"), "did you mean lake"),
        (("--list", "evnt"), "did you mean event"),
    ],
)
def test_bad_usage_sends_nothing(
    harness: SyncHarness, arguments: tuple[str, ...], says: str
) -> None:
    done = mutate(harness, *arguments)
    assert (done.exit_code, says in done.stderr) == (NOTHING_SENT, True), done.output
    assert harness.sandbox.control.objects("customer") == []


def test_the_kinds_of_collections_are_listed() -> None:
    runner = CliRunner()
    every = runner.invoke(app, ["mutate", "--list"])
    assert "stripe:refund" in every.stdout
    assert "stripe:event" not in every.stdout
    one = runner.invoke(app, ["mutate", "--list", "payment_intent"])
    assert "cancel" in one.stdout
    assert "stripe:refund" not in one.stdout
