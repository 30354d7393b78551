"""``stripe-sync syncs``, as the installed command runs it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from stripe_sync import get_sync
from stripe_sync.cli.app import app
from stripe_sync.records.canonical_json import loads
from sync_harness import SYNC, SyncHarness


class Command:
    """The command with the warehouse and the lake of a harness."""

    def __init__(self, harness: SyncHarness) -> None:
        where = harness.connections
        self.environment = {
            "WAREHOUSE_URL": where.warehouse_url,
            "LAKE_URL": where.lake_url,
            "COLUMNS": "200",
        }

    def __call__(self, *arguments: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(app, ["syncs", *arguments], env=self.environment, input=answer)


@pytest.fixture
def syncs(harness: SyncHarness) -> Command:
    return Command(harness)


def test_a_sync_is_created_changed_and_listed(harness: SyncHarness, syncs: Command) -> None:
    created = syncs(
        *("create", "eu", "--live", "--collection", "customer", "--setting", "max_age_days=30"),
        *("--metadata", "team=billing", "--external-id", "tenant-1", "--json"),
    )
    assert created.exit_code == 0
    sync = loads(created.stdout)
    assert (sync["livemode"], sync["collection_ids"]) == (True, ["stripe:customer"])
    assert sync["settings"] == {"max_age_days": 30}

    syncs("update", "eu", "--add", "invoice", "--remove", "customer", "--setting", "max_age_days=")
    stored = get_sync(harness.connections.warehouse_url, "eu")
    assert (stored.collection_ids, stored.settings) == (("stripe:invoice",), {})
    assert stored.metadata == {"team": "billing"}
    syncs("update", "eu", "--all-collections", "--external-id", "")
    stored = get_sync(harness.connections.warehouse_url, "eu")
    assert (stored.collection_ids, stored.external_id) == (None, None)

    listed = syncs("list")
    assert "eu" in listed.stdout
    assert "not known yet" in listed.stdout
    assert [each["name"] for each in loads(syncs("list", "--json").stdout)] == ["eu"]


def test_it_is_paused_and_resumed(syncs: Command) -> None:
    syncs("create", "eu")
    assert loads(syncs("pause", "eu", "--json").stdout)["status"] == "paused"
    assert loads(syncs("resume", "eu", "--json").stdout)["status"] == "active"


def test_the_status_has_collections_and_problems(harness: SyncHarness, syncs: Command) -> None:
    harness.sandbox.control.seed({"customer": 2})
    harness.backfill("customer")
    harness.poll()

    text = syncs("status", SYNC)
    assert text.exit_code == 0
    assert "default: active, up to date" in text.stdout
    assert "customer" in text.stdout
    [collection] = loads(syncs("status", SYNC, "--json").stdout)["collections"]
    assert (collection["status"], collection["objects"]) == ("done", 2)


def test_a_deletion_asks_for_the_name(harness: SyncHarness, syncs: Command) -> None:
    harness.sandbox.control.seed({"customer": 2})
    harness.backfill("customer")

    refused = syncs("delete", SYNC, "--drop-data", answer="defualt\n")
    assert (refused.exit_code, "Nothing was deleted" in refused.stderr) == (1, True)
    assert harness.sql("SELECT count(*) FROM stripe_raw.records") == [(2,)]

    done = syncs("delete", SYNC, "--drop-data", "--json", answer=f"{SYNC}\n")
    assert done.exit_code == 0
    assert loads(done.stdout.splitlines()[-1])["records"] == 2
    assert harness.sql("SELECT count(*) FROM stripe_raw.records") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("status", "us"), "there is no sync named 'us'"),
        (("create", "eu", "--setting", "redact"), "--setting takes NAME=VALUE"),
        (("create", "eu", "--setting", "color=red"), "unknown sync setting: 'color'"),
        (("create", "eu", "--collection", "custmer"), "did you mean"),
        (("delete", "us", "--confirm", "us"), "there is no sync named 'us'"),
    ],
)
def test_an_error_is_one_line(syncs: Command, arguments: tuple[str, ...], message: str) -> None:
    failed = syncs(*arguments)
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert message in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
