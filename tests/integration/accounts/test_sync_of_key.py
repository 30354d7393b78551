"""Which sync a key is for, and what a sync lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stripe_sync import (
    Connections,
    Credential,
    choose_sync,
    create_sync,
    delete_sync,
    find_missing_data,
    get_sync,
)
from stripe_sync.catalog import load_catalog
from sync_harness import SYNC, SyncHarness

OTHER = "acct_1Other"


def with_key(harness: SyncHarness, key: str) -> Connections:
    """The same warehouse and lake with another key."""
    credential = Credential(key, harness.connections.credential.api_base)
    return replace(harness.connections, credential=credential)


@pytest.fixture
def stored(harness: SyncHarness) -> str:
    """The account of the sync ``default``, which has a customer."""
    harness.stripe.v1.customers.create({"name": "Ada"})
    harness.backfill("customer")
    account = get_sync(harness.connections.warehouse_url, SYNC).account_id
    assert account is not None
    return account


def test_the_first_key_gets_the_sync_default(harness: SyncHarness) -> None:
    assert choose_sync(harness.connections, OTHER) == SYNC
    assert choose_sync(harness.connections, None) == SYNC
    create_sync(harness.connections.warehouse_url, SYNC, livemode=False)
    assert choose_sync(harness.connections, OTHER) == SYNC


def test_a_key_of_the_same_account_keeps_its_sync(harness: SyncHarness, stored: str) -> None:
    rolled = with_key(harness, "rk_test_rolled")
    assert choose_sync(rolled, stored) == SYNC
    # Whether it is the same account is found out by its objects, when it runs.
    assert choose_sync(rolled, None) == SYNC


@pytest.mark.parametrize(
    ("key", "account", "name"),
    [
        ("sk_test_other", OTHER, "acct_1other-test"),
        ("sk_live_same", None, None),
        ("rk_live_same", "the stored one", None),
    ],
)
def test_another_account_or_mode_gets_a_sync_of_its_own(
    harness: SyncHarness, stored: str, key: str, account: str | None, name: str | None
) -> None:
    if account == "the stored one":
        account, name = stored, f"{stored.lower()}-live"

    chosen = choose_sync(with_key(harness, key), account)

    assert chosen != SYNC
    if name:
        assert chosen == name
    # The same the next time, and before as after it exists.
    create_sync(harness.connections.warehouse_url, chosen, livemode="live" in key)
    assert choose_sync(with_key(harness, key), account) == chosen


def test_files_in_the_lake_keep_their_name_in_a_new_warehouse(
    harness: SyncHarness, stored: str, empty_database_url: str
) -> None:
    new = replace(harness.connections, warehouse_url=empty_database_url)

    assert choose_sync(new, stored) == SYNC
    assert choose_sync(new, OTHER) == "acct_1other-test"


def test_rows_of_a_deleted_sync_are_not_mixed_with_others(
    harness: SyncHarness, stored: str
) -> None:
    delete_sync(harness.connections.warehouse_url, SYNC, keep_data=True)

    assert choose_sync(harness.connections, stored) == f"{stored.lower()}-test"


def test_a_new_sync_lacks_everything(harness: SyncHarness) -> None:
    url, lake = harness.connections.warehouse_url, harness.connections.lake_url

    missing = find_missing_data(url, lake, SYNC)
    assert (missing.reload, missing.never_backfilled) == (False, True)
    assert len(missing.collections) == len(load_catalog())

    create_sync(url, SYNC, livemode=False, collections=["customer", "charge"])
    assert set(find_missing_data(url, lake, SYNC).collections) == {"charge", "customer"}


def test_a_backfill_that_failed_or_never_ran_is_missing(harness: SyncHarness, stored: str) -> None:
    url, lake = harness.connections.warehouse_url, harness.connections.lake_url
    harness.sql("UPDATE stripe_sync.collection_state SET status = 'failed' RETURNING 1")
    assert "customer" in find_missing_data(url, lake, SYNC).collections

    for status in ("done", "empty", "forbidden", "unavailable", "retired"):
        harness.sql(f"UPDATE stripe_sync.collection_state SET status = '{status}' RETURNING 1")
        missing = find_missing_data(url, lake, SYNC)
        assert "customer" not in missing.collections
        assert "charge" in missing.collections
        assert not missing.never_backfilled


def test_a_new_warehouse_is_reloaded_from_the_lake(
    harness: SyncHarness, stored: str, empty_database_url: str
) -> None:
    missing = find_missing_data(empty_database_url, harness.connections.lake_url, SYNC)

    assert missing.reload
