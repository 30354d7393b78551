"""A sync that was tested is copied onto a live mode key; data of both modes never mix."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stripe_sync import (
    AuthenticationError,
    ConfigurationError,
    Connections,
    Credential,
    Replication,
    StripeUnreachable,
    SyncConflict,
    SyncNotFound,
    backfill,
    create_sync,
    delete_sync,
    describe_syncs,
    get_sync,
    pause_sync,
    poll,
    replicate_sync,
    update_sync,
)
from stripe_sync.catalog import load_catalog
from stripe_sync.cli.app import app
from stripe_sync.records import ids
from stripe_sync.records.canonical_json import loads
from sync_harness import FAST, SYNC, SyncHarness

TARGET, ACCOUNT, KEY = "production", "acct_production", "rk_live_production"


@dataclass
class Shop:
    """A test mode sync of one account, and the live mode key of another."""

    harness: SyncHarness

    @property
    def url(self) -> str:
        return self.harness.connections.warehouse_url

    @property
    def live(self) -> Connections:
        return self.with_key(KEY)

    def with_key(self, key: str) -> Connections:
        credential = Credential(key, self.harness.sandbox.base_url)
        return replace(self.harness.connections, credential=credential, settings=FAST)

    def add_key(self, key: str, **options: Any) -> Connections:
        self.harness.sandbox.control.add_key(key, **options)
        return self.with_key(key)

    def replicate(self, connections: Connections | None = None, **options: Any) -> Replication:
        return replicate_sync(connections or self.live, SYNC, TARGET, **options)


@pytest.fixture
def shop(harness: SyncHarness) -> Iterator[Shop]:
    control = harness.sandbox.control
    control.add_account(ACCOUNT)
    control.add_key(KEY, account=ACCOUNT)
    create_sync(
        harness.connections.warehouse_url,
        SYNC,
        livemode=False,
        collections=["customer", "product"],
        settings={"max_age_days": 30, "requests_per_second": 5},
        metadata={"team": "billing"},
        external_id="tenant-1",
        connection_id="stripe_sandbox",
    )
    yield Shop(harness)


def changes(done: Replication) -> dict[str, Any]:
    return {change.field: (change.old, change.new) for change in done.changes}


BOTH = ["stripe:customer", "stripe:product"]


def test_a_dry_run_shows_what_would_be_created_and_changes_nothing(shop: Shop) -> None:
    shown = shop.replicate(dry_run=True, connection_id="stripe_live")

    assert (shown.action, shown.is_applied, shown.account_id) == ("create", False, ACCOUNT)
    assert changes(shown) == {
        "mode": (None, "live"),
        "connection_id": (None, "stripe_live"),
        "collections": (None, BOTH),
        "settings.max_age_days": (None, 30),
        "metadata.team": (None, "billing"),
    }
    assert (shown.backfill, shown.missing, shown.notes) == (tuple(BOTH), (), ())
    assert [sync.name for sync in describe_syncs(shop.url)] == [SYNC]


def test_it_is_created_once_and_a_second_time_changes_and_starts_nothing(shop: Shop) -> None:
    first = shop.replicate()

    target = get_sync(shop.url, TARGET)
    assert (target.livemode, target.collection_ids) == (True, tuple(BOTH))
    assert (target.settings, target.metadata) == ({"max_age_days": 30}, {"team": "billing"})
    assert (target.external_id, target.connection_id, target.status) == (None, None, "active")

    again = shop.replicate()
    assert (again.action, again.changes) == ("none", ())
    assert get_sync(shop.url, TARGET) == target
    # Nothing was backfilled in between: it is the same backfill, so the same run.
    assert (again.backfill, again.backfill_run_id) == (first.backfill, first.backfill_run_id)
    backfill(shop.live, TARGET)
    done = shop.replicate()
    assert (done.action, done.backfill, done.backfill_run_id) == ("none", (), None)


def test_several_at_once_start_the_same_backfill(shop: Shop) -> None:
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: shop.replicate(connection_id="stripe_live"), range(4)))

    assert len({each.backfill_run_id for each in done}) == 1
    assert {each.backfill for each in done} == {tuple(BOTH)}


def test_what_has_changed_is_brought_over_and_what_is_the_targets_own_stays(shop: Shop) -> None:
    shop.replicate(connection_id="stripe_live")
    backfill(shop.live, TARGET)
    update_sync(
        shop.url,
        TARGET,
        settings={"requests_per_second": 80, "cadence": "adaptive"},
        external_id="live-1",
    )
    update_sync(
        shop.url,
        SYNC,
        collections=["product", "price"],
        settings={"max_age_days": None, "redact": False},
        metadata={"team": None, "tier": 1},
    )

    done = shop.replicate()

    assert changes(done) == {
        "collections": (BOTH, ["stripe:price", "stripe:product"]),
        "settings.cadence": ("adaptive", None),
        "settings.max_age_days": (30, None),
        "settings.redact": (None, False),
        "metadata.team": ("billing", None),
        "metadata.tier": (None, 1),
    }
    assert done.backfill == ("stripe:price",)
    target = get_sync(shop.url, TARGET)
    assert target.settings == {"redact": False, "requests_per_second": 80}
    assert (target.external_id, target.connection_id) == ("live-1", "stripe_live")
    assert shop.replicate().action == "none"


def test_a_collection_that_comes_back_needs_a_backfill_again(shop: Shop) -> None:
    shop.replicate()
    backfill(shop.live, TARGET)
    for collections in (["product"], ["customer", "product"]):
        update_sync(shop.url, SYNC, collections=collections)
        done = shop.replicate()
    assert done.backfill == ("stripe:customer",)


def test_all_collections_are_all_for_the_target_too(shop: Shop) -> None:
    shop.replicate()
    update_sync(shop.url, SYNC, collections=None)
    done = shop.replicate()
    assert changes(done)["collections"] == (BOTH, None)
    assert len(done.backfill) == len(load_catalog())
    assert get_sync(shop.url, TARGET).collection_ids is None


def test_data_of_both_modes_never_mix(shop: Shop) -> None:
    harness, control = shop.harness, shop.harness.sandbox.control
    update_sync(shop.url, SYNC, settings={"max_age_days": None})
    control.seed({"customer": 2})
    control.seed({"customer": 3}, account=ACCOUNT, livemode=True)
    shop.replicate()
    harness.backfill("customer")
    backfill(shop.live, TARGET, ["customer"])
    poll(shop.live, TARGET, seconds=0)
    harness.poll()

    clocks = "GET /v1/test_helpers/test_clocks"
    assert clocks in control.stats()["by_endpoint"]
    assert clocks not in control.stats(account=ACCOUNT, livemode=True)["by_endpoint"]
    stored = harness.sql(
        "SELECT sync_id, resource_id, payload->>'livemode', count(*) FROM stripe_raw.records"
        " GROUP BY 1, 2, 3"
    )
    test_account = get_sync(shop.url, SYNC).account_id
    assert test_account
    assert sorted(stored) == sorted(
        [
            (ids.sync_id(SYNC), ids.resource_id(test_account, livemode=False), "false", 2),
            (ids.sync_id(TARGET), ids.resource_id(ACCOUNT, livemode=True), "true", 3),
        ]
    )
    lake = Path(harness.connections.lake_url)
    assert sorted(folder.name for folder in lake.iterdir()) == [SYNC, TARGET]
    for sync, connections in ((SYNC, shop.live), (TARGET, harness.connections)):
        with pytest.raises(ConfigurationError, match=r"stores account .* but the key is for"):
            backfill(connections, sync, ["customer"])


def test_missing_permissions_are_named_and_block_nothing(shop: Shop) -> None:
    few = shop.add_key(KEY, account=ACCOUNT, permissions=["rak_customer_read"])
    done = shop.replicate(few)
    assert {each.collection: each.missing_read for each in done.missing} == {
        "stripe:event": ("event_read",),
        "stripe:product": ("product_read",),
    }
    assert done.is_applied
    assert any("event_read" in note for note in done.notes)


def test_what_is_in_the_connection_of_the_source_is_named_and_not_copied(shop: Shop) -> None:
    settings = shop.harness.connections.settings.model_copy(update={"redact": False})
    backfill(replace(shop.harness.connections, settings=settings), SYNC, ["customer"])
    [note] = shop.replicate().notes
    assert note.endswith("not stored with it: redact.")
    assert "redact" not in get_sync(shop.url, TARGET).settings


def test_what_the_connection_of_the_source_leaves_out_is_left_out_in_live_mode_too(
    shop: Shop,
) -> None:
    left_out = {"exclude": ("customer.phone",), "hash_fields": ("customer.email",)}
    secret = {"hash_secret": "a secret of 24 characters"}
    settings = shop.harness.connections.settings.model_copy(update=left_out)
    backfill(replace(shop.harness.connections, settings=settings, **secret), SYNC, ["customer"])
    own = FAST.model_copy(update={"exclude": ("customer.name",)})

    with pytest.raises(ConfigurationError, match="hash_secret") as caught:
        shop.replicate()
    assert caught.value.param == "connection_id"
    done = shop.replicate(replace(shop.live, settings=own, **secret))

    assert changes(done)["settings.exclude"] == (None, ["customer.name", "customer.phone"])
    assert get_sync(shop.url, TARGET).settings["hash_fields"] == ["customer.email"]
    assert "exclude" not in str(done.notes)
    again = shop.replicate(replace(shop.live, settings=own, **secret))
    assert (again.action, again.changes) == ("none", ())


def test_a_paused_target_is_changed_and_not_backfilled(shop: Shop) -> None:
    shop.replicate()
    pause_sync(shop.url, TARGET)
    update_sync(shop.url, SYNC, settings={"redact": False})
    done = shop.replicate()
    assert (done.action, done.backfill) == ("update", ())
    assert "resume it" in done.notes[0]
    assert get_sync(shop.url, TARGET).status == "paused"


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("key", "options", "error", "message"),
    [
        ("sk_test_sandbox", None, ConfigurationError, "this is a test mode key"),
        ("rk_live_revoked", None, AuthenticationError, "wrong or revoked"),
        ("rk_live_old", {"account": ACCOUNT, "trouble": "expired"}, AuthenticationError, "expired"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused(  # noqa: PLR0917 - a row of the table
    shop: Shop, key: str, options: Any, error: Any, message: str, dry_run: bool
) -> None:
    connections = shop.with_key(key) if options is None else shop.add_key(key, **options)
    with pytest.raises(error, match=message):
        shop.replicate(connections, dry_run=dry_run)
    assert [sync.name for sync in describe_syncs(shop.url)] == [SYNC]


def test_a_stripe_that_does_not_answer_is_no_permission(shop: Shop) -> None:
    credential = Credential(KEY, "http://127.0.0.1:1")
    with pytest.raises(StripeUnreachable):
        shop.replicate(replace(shop.live, credential=credential))
    assert [sync.name for sync in describe_syncs(shop.url)] == [SYNC]


def test_account_and_mode_of_the_source_or_another_than_the_targets_are_refused(shop: Shop) -> None:
    shop.replicate()
    backfill(shop.live, TARGET, ["customer"])
    with pytest.raises(ConfigurationError, match=f"the key is for {ACCOUNT} in live mode") as same:
        replicate_sync(shop.live, TARGET, "second")
    other = shop.with_key("sk_live_sandbox")
    with pytest.raises(ConfigurationError, match=f"stores account {ACCOUNT}, but") as another:
        shop.replicate(other)
    assert [caught.value.param for caught in (same, another)] == ["connection_id"] * 2
    # A live mode sync may be copied onto the live mode key of another account.
    assert replicate_sync(other, TARGET, "second").action == "create"


def test_a_connected_account_stays_the_same_with_the_platforms_live_mode_key(shop: Shop) -> None:
    shop.harness.sandbox.control.add_account("acct_connected")
    update_sync(shop.url, SYNC, connected_account="acct_connected")
    platform = shop.with_key("sk_live_sandbox")
    done = shop.replicate(platform)
    assert done.account_id == "acct_connected"
    assert changes(done)["connected_account"] == (None, "acct_connected")
    assert get_sync(shop.url, TARGET).connected_account == "acct_connected"
    # Afterwards it is the target's own.
    update_sync(shop.url, SYNC, connected_account=None)
    assert shop.replicate(platform).action == "none"


def test_names_that_cannot_be_right_are_refused(shop: Shop) -> None:
    create_sync(shop.url, "sandbox", livemode=False)
    for target, message in (
        (SYNC, "the same sync"),
        ("Live", "the name of a sync"),
        (str(ids.sync_id(TARGET)), "the id of a sync"),
        ("lake", "another type of connection"),
        ("sandbox", "sandbox is in test mode"),
    ):
        with pytest.raises(ConfigurationError, match=message) as caught:
            replicate_sync(shop.live, SYNC, target)
        assert caught.value.param == "name"
    with pytest.raises(SyncNotFound):
        replicate_sync(shop.live, "nowhere", TARGET)
    shop.harness.sql("UPDATE stripe_sync.syncs SET status = 'deleting' RETURNING 1")
    with pytest.raises(SyncConflict, match="nothing left to copy"):
        shop.replicate()


def test_a_name_whose_data_were_kept_is_refused_before_anything_is_created(shop: Shop) -> None:
    shop.harness.sandbox.control.seed({"customer": 1}, account=ACCOUNT, livemode=True)
    shop.replicate()
    backfill(shop.live, TARGET, ["customer"])
    delete_sync(shop.url, TARGET, keep_data=True)
    with pytest.raises(SyncConflict, match="--drop-data"):
        shop.replicate(dry_run=True)


def command(shop: Shop, *arguments: str, answer: str | None = None) -> Any:
    environment = {
        "WAREHOUSE_URL": shop.url,
        "LAKE_URL": shop.harness.connections.lake_url,
        "STRIPE_API_BASE": shop.harness.sandbox.base_url,
        "LIVE_KEY": KEY,
        "COLUMNS": "200",
    }
    options = ["syncs", "replicate", SYNC, "--to", TARGET, "--key-variable", "LIVE_KEY"]
    return CliRunner().invoke(app, [*options, *arguments], env=environment, input=answer)


def test_the_command_shows_the_difference_and_asks(shop: Shop) -> None:
    refused = command(shop, answer="n\n")
    assert (refused.exit_code, "Nothing was changed" in refused.stderr) == (1, True)
    assert "settings.max_age_days" in refused.stdout
    shown = loads(command(shop, "--dry-run", "--json").stdout)
    assert (shown["action"], shown["is_applied"]) == ("create", False)
    assert [sync.name for sync in describe_syncs(shop.url)] == [SYNC]

    done = command(shop, answer="y\n")
    assert done.exit_code == 0, done.output
    assert "Trigger the DAG stripe_backfill" in done.stdout
    assert KEY not in done.output
    assert loads(command(shop, "--yes", "--json").stdout)["action"] == "none"
