"""``stripe-sync accounts``, as the installed command runs it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from stripe_sync import get_sync, plan_backfill
from stripe_sync.cli.app import app
from stripe_sync.records.canonical_json import loads
from sync_harness import SYNC, SyncHarness, unthrottled


class Command:
    """The command with the key, the warehouse and the lake of a harness."""

    def __init__(self, harness: SyncHarness) -> None:
        where = harness.connections
        self.environment = {
            "WAREHOUSE_URL": where.warehouse_url,
            "LAKE_URL": where.lake_url,
            "STRIPE_API_BASE": where.credential.api_base,
            "STRIPE_API_KEY": where.credential.api_key,
            "COLUMNS": "200",
        }

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["accounts", *arguments], env=self.environment)


@pytest.fixture
def accounts(harness: SyncHarness) -> Command:
    for account in ("acct_1", "acct_2"):
        harness.sandbox.control.add_account(account)
    return Command(harness)


def test_accounts_are_listed_and_get_syncs(harness: SyncHarness, accounts: Command) -> None:
    # The settings that a run of Airflow has put into effect stay.
    plan_backfill(unthrottled(harness, max_age_days=9).connections, SYNC, ["customer"])

    listed = accounts("list", SYNC)
    assert (listed.exit_code, "acct_1" in listed.stdout, "new" in listed.stdout) == (0, True, True)
    done = accounts("sync", SYNC, "--account", "acct_1")
    assert (done.exit_code, "default-acct_1" in done.stdout) == (0, True)
    done = accounts("sync", SYNC, "--all", "--json")
    assert [each["name"] for each in loads(done.stdout)["created"]] == ["default-acct_2"]
    states = {
        each["account"]: each["state"] for each in loads(accounts("list", SYNC, "--json").stdout)
    }
    assert states == {"acct_1": "synced", "acct_2": "synced"}
    url = harness.connections.warehouse_url
    assert get_sync(url, SYNC).settings_in_effect["max_age_days"] == 9
    assert get_sync(url, "default-acct_1").connected_account == "acct_1"


def test_an_account_without_a_sync_is_named_and_the_exit_code_is_1(accounts: Command) -> None:
    failed = accounts("sync", SYNC, "--account", "acct_nobody", "--account", "acct_2")
    assert failed.exit_code == 1
    assert "none of the connected accounts" in failed.stdout
    assert "default-acct_2" in failed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sync", SYNC), "give --all, or --account"),
        (("sync", SYNC, "--all", "--account", "acct_1"), "give --all, or --account"),
        (("sync", SYNC, "--account", "cus_1"), "connected_accounts"),
        (("list", SYNC, "--key-variable", "NO_KEY"), "NO_KEY has no key"),
    ],
)
def test_an_error_is_one_line(accounts: Command, arguments: tuple[str, ...], message: str) -> None:
    failed = accounts(*arguments)
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert message in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
