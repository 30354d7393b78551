"""``stripe-sync apply``: syncs as a file declares them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from stripe_sync import (
    apply_syncs,
    backfill,
    create_sync,
    describe_syncs,
    get_sync,
    pause_sync,
    plan_apply,
    read_sync_file,
    update_sync,
)
from stripe_sync.cli.app import app
from stripe_sync.records.canonical_json import loads
from stripe_sync.warehouse import Warehouse
from sync_harness import SyncHarness

TWO = """
syncs:
  - name: eu
    mode: live
    collections: [customer, stripe.invoice]
    connection_id: stripe_shared
    settings: {max_age_days: 365, api_version: 2024-06-20}
    metadata: {team: billing}
    external_id: "7"
  - name: us
    enabled: false
"""

Write = Callable[[str], Path]


@pytest.fixture
def url(harness: SyncHarness) -> str:
    return harness.connections.warehouse_url


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        file = tmp_path / "syncs.yaml"
        file.write_text(text)
        return file

    return written


def run(url: str, file: Path, *options: str, answer: str | None = None) -> Result:
    environment = {"WAREHOUSE_URL": url, "COLUMNS": "200"}
    command = ["apply", "-f", str(file), *options]
    return CliRunner().invoke(app, command, env=environment, input=answer)


def stored(url: str) -> dict[str, Any]:
    return {sync.name: sync for sync in describe_syncs(url)}


def test_the_difference_is_shown_first_and_applied_once(url: str, write: Write) -> None:
    file = write(TWO)
    shown = run(url, file, "--dry-run")
    assert shown.exit_code == 0, shown.output
    for text in ("settings.max_age_days", "create", "live", "stripe_shared", "paused"):
        assert text in shown.stdout
    blind = run(url, file, "--json", answer="y\n")
    assert (blind.exit_code, "--json needs --yes or --dry-run" in blind.stderr) == (1, True)
    refused = run(url, file, answer="n\n")
    assert (refused.exit_code, stored(url)) == (1, {})

    done = run(url, file, answer="y\n")
    assert done.exit_code == 0, done.output
    eu, us = stored(url)["eu"], stored(url)["us"]
    assert (eu.livemode, eu.collection_ids) == (True, ("stripe:customer", "stripe:invoice"))
    assert eu.settings == {"api_version": "2024-06-20", "max_age_days": 365}
    assert (eu.connection_id, eu.external_id, eu.metadata) == (
        "stripe_shared",
        "7",
        {"team": "billing"},
    )
    assert (us.livemode, us.status, us.collection_ids) == (False, "paused", None)
    assert "Not backfilled yet: customer, invoice of sync eu" in done.stdout

    assert "of sync us" not in done.stdout  # it is paused

    again = run(url, file)
    assert (again.exit_code, "are as they are declared" in again.stdout) == (0, True)
    assert stored(url) == {"eu": eu, "us": us}


def test_what_is_left_out_has_its_default_but_for_mode_and_pause(url: str, write: Write) -> None:
    run(url, write(TWO), "--yes")
    pause_sync(url, "eu")
    plan = loads(run(url, write("syncs: [{name: eu}, {name: us}]"), "--yes", "--json").stdout)
    changed = {change["field"]: change["new"] for change in plan["syncs"][0]["changes"]}
    assert changed == {
        "collections": None,
        "connection_id": None,
        "external_id": None,
        "metadata.team": None,
        "settings.api_version": None,
        "settings.max_age_days": None,
    }
    eu, us = stored(url)["eu"], stored(url)["us"]
    assert (eu.livemode, eu.status, eu.settings, eu.collection_ids) == (True, "paused", {}, None)
    assert us.status == "paused"
    run(url, write("syncs: [{name: eu, enabled: yes}]"), "--yes")
    assert get_sync(url, "eu").status == "active"


def test_what_is_not_in_the_file_is_left_alone_and_named(url: str, write: Write) -> None:
    create_sync(url, "other", livemode=False, settings={"redact": False})
    other = get_sync(url, "other")
    done = run(url, write("syncs: [{name: eu}]"), "--yes")
    assert "Not in the file, left alone: other" in done.stdout
    assert get_sync(url, "other") == other
    assert "left alone: eu, other" in run(url, write("syncs: []")).stdout


def test_the_mode_of_a_sync_is_not_changed(url: str, write: Write) -> None:
    create_sync(url, "us", livemode=False)
    refused = run(url, write("syncs: [{name: eu}, {name: us, mode: live}]"), "--yes")
    assert refused.exit_code == 1
    assert "sync us is in test mode, which cannot be changed" in refused.stderr
    assert list(stored(url)) == ["us"]


def test_collections_that_lack_a_backfill_are_named(harness: SyncHarness, write: Write) -> None:
    url = harness.connections.warehouse_url
    create_sync(url, "default", livemode=False, collections=["customer"])
    backfill(harness.connections, "default")
    file = write("syncs: [{name: default, collections: [customer, product]}]")
    [plan] = plan_apply(url, read_sync_file(file)).syncs
    assert plan.backfill == ("stripe:product",)
    assert "Not backfilled yet: product of sync default" in run(url, file, "--yes").stdout


def test_an_interrupted_run_is_completed_by_the_next(url: str, write: Write) -> None:
    declared = read_sync_file(write(TWO))
    assert next(apply_syncs(url, declared)).sync == "eu"
    assert list(stored(url)) == ["eu"]
    assert [(plan.sync, plan.action) for plan in apply_syncs(url, declared)] == [("us", "create")]


def test_a_sync_keeps_its_connected_account(harness: SyncHarness, write: Write) -> None:
    url = harness.connections.warehouse_url
    run(url, write("syncs: [{name: eu, connected_account: acct_1}]"), "--yes")
    assert get_sync(url, "eu").connected_account == "acct_1"
    assert "are as they are declared" in run(url, write("syncs: [{name: eu}]")).stdout

    harness.sql("UPDATE stripe_sync.syncs SET account_id = 'acct_1' RETURNING 1")
    refused = run(url, write("syncs: [{name: eu, connected_account: acct_2}]"), "--yes")
    assert "sync eu stores acct_1" in refused.stderr
    assert get_sync(url, "eu").connected_account == "acct_1"


def test_a_disconnected_sync_goes_on_if_it_is_connected_elsewhere(
    harness: SyncHarness, write: Write
) -> None:
    url = harness.connections.warehouse_url
    create_sync(url, "eu", livemode=False)
    harness.sql("UPDATE stripe_sync.syncs SET status = 'disconnected' RETURNING 1")
    run(url, write("syncs: [{name: eu, enabled: true}]"), "--yes")
    assert get_sync(url, "eu").status == "disconnected"
    run(url, write("syncs: [{name: eu, connection_id: stripe_other}]"), "--yes")
    assert get_sync(url, "eu").status == "active"


def test_several_at_once_end_as_the_file_says(url: str, write: Write) -> None:
    declared = read_sync_file(write(TWO))
    update = read_sync_file(write(TWO.replace("365", "30")))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: list(apply_syncs(url, declared)), range(4)))
        assert stored(url)["eu"].settings["max_age_days"] == 365
        list(pool.map(lambda _: list(apply_syncs(url, update)), range(4)))
    assert stored(url)["eu"].settings["max_age_days"] == 30
    assert plan_apply(url, update).is_done


def test_a_sync_that_others_created_after_the_look_is_changed(url: str, write: Write) -> None:
    from stripe_sync.accounts.plans.sync_plan import store_sync

    [eu, _] = read_sync_file(write(TWO))
    with Warehouse(url) as warehouse:
        wanted = eu.wanted()
        columns = wanted.columns

        def created_meanwhile(sync: Any) -> dict[str, Any]:
            if sync is None:
                create_sync(url, "eu", livemode=True, external_id="of another process")
            return columns(sync)

        wanted = replace(wanted, columns=created_meanwhile)
        assert store_sync(warehouse, wanted).external_id == "7"


def test_a_sync_that_is_being_deleted_stops_it_before_anything_is_stored(
    harness: SyncHarness, write: Write
) -> None:
    url = harness.connections.warehouse_url
    create_sync(url, "us", livemode=False)
    harness.sql("UPDATE stripe_sync.syncs SET status = 'deleting' RETURNING 1")
    refused = run(url, write(TWO), "--yes")
    assert (refused.exit_code, "us is being deleted" in refused.stderr) == (1, True)
    assert list(stored(url)) == ["us"]


def test_settings_that_others_store_meanwhile_do_not_survive(url: str, write: Write) -> None:
    run(url, write(TWO), "--yes")
    update_sync(url, "eu", settings={"redact": False})
    plan = plan_apply(url, read_sync_file(write(TWO)))
    assert [(c.field, c.old, c.new) for c in plan.syncs[0].changes] == [
        ("settings.redact", False, None)
    ]
