"""A sync stores one account in one mode, whatever its keys may read."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from stripe_sandbox.settings import stripe_limits
from stripe_sync import Credential, backfill_collection, describe_syncs, fetch_account_id
from stripe_sync.errors import AccountDisconnected, AuthenticationError, ConfigurationError
from stripe_sync.records import ids
from stripe_sync.sync.account_check import CHECK_EVERY, key_fingerprint
from sync_harness import SYNC, SyncHarness

ACCOUNT = "GET /v1/account"
READ = ["rak_customer_read", "rak_product_read", "rak_event_read"]


def stored(harness: SyncHarness, sync: str = SYNC) -> tuple[str, object]:
    """Account and identity of a sync."""
    [row] = harness.sql(
        "SELECT account_id, resource_id FROM stripe_sync.syncs WHERE name = %s", sync
    )
    return row


def own_account(harness: SyncHarness) -> str:
    account = fetch_account_id(harness.connections.credential)
    assert account is not None
    return account


def hide_accounts(harness: SyncHarness) -> None:
    """Let no answer name the account."""
    for endpoint in (ACCOUNT, "GET /v1/invoices"):
        harness.sandbox.control.fault("gone", endpoint=endpoint)


def forget_check(harness: SyncHarness) -> None:
    """Let an hour pass."""
    harness.sql("UPDATE stripe_sync.syncs SET key_checked_at = null RETURNING 1")


def other_account(harness: SyncHarness) -> SyncHarness:
    """The same sync with a key of another account, which has objects with the same ids."""
    control = harness.sandbox.control
    control.add_account("acct_other")
    control.add_key("sk_test_other", account="acct_other")
    old = {"start": 1_500_000_000, "end": 1_500_000_900}
    control.seed({"customer": 3, "product": 3}, account="acct_other", **old)
    return harness.with_key("sk_test_other")


def requests(harness: SyncHarness) -> int:
    """How often the account was asked for."""
    return int(harness.sandbox.control.stats()["by_endpoint"].get(ACCOUNT, 0))


def test_a_key_that_may_not_read_its_account_starts_and_the_403_names_the_account(
    harness: SyncHarness, caplog: pytest.LogCaptureFixture
) -> None:
    account = own_account(harness)
    harness.sandbox.control.seed({"customer": 2})
    harness.sandbox.control.add_key("rk_test_few", permissions=READ)
    few = harness.with_key("rk_test_few")

    with caplog.at_level(logging.WARNING):
        [report] = few.backfill("customer")

    assert (report.status, report.objects) == ("done", 2)
    assert stored(few) == (account, ids.resource_id(account, livemode=False))
    assert "may not read its account" in caplog.text
    assert fetch_account_id(few.connections.credential) == account


def test_gaining_and_losing_a_permission_changes_no_sync(harness: SyncHarness) -> None:
    harness.sandbox.control.seed({"customer": 2})
    harness.backfill("customer")
    before = stored(harness)
    harness.sandbox.control.add_key("rk_test_few", permissions=READ)
    for key in ("rk_test_few", harness.sandbox.api_key):
        harness.with_key(key).plan("customer")
        assert stored(harness) == before
    hide_accounts(harness)
    harness.sandbox.control.add_key("sk_test_new")
    harness.with_key("sk_test_new").plan("customer")
    assert stored(harness) == before


def test_the_name_of_the_account_is_kept_when_a_key_may_not_read_it(harness: SyncHarness) -> None:
    own = own_account(harness)
    named = {"dashboard": {"display_name": "Arrakis Spice"}}
    harness.sandbox.control.mutate("account", own, {"settings": named})
    harness.sandbox.control.add_key("rk_test_few", permissions=READ)
    for key in (harness.sandbox.api_key, "rk_test_few"):
        harness.with_key(key).plan("customer")
        [sync] = describe_syncs(harness.connections.warehouse_url)
        assert sync.account_name == "Arrakis Spice"


def test_two_accounts_that_cannot_be_read_have_two_identities(harness: SyncHarness) -> None:
    hide_accounts(harness)
    harness.sandbox.control.seed({"customer": 2})
    harness.backfill("customer")
    other = other_account(harness)
    backfill_collection(other.connections, "other", "customer")

    identities = {stored(harness)[1], stored(harness, "other")[1]}
    assert len(identities) == 2
    assert SYNC not in stored(harness)[0]
    assert harness.sandbox.api_key not in str(
        harness.sql("SELECT to_jsonb(s) FROM stripe_sync.syncs s")
    )


@pytest.mark.parametrize("collection", ["customer", "product", "subscription"])
def test_two_accounts_that_cannot_be_read_never_flow_into_one_sync(
    harness: SyncHarness, collection: str
) -> None:
    hide_accounts(harness)
    harness.sandbox.control.seed({collection: 3})
    harness.backfill(collection)
    with pytest.raises(ConfigurationError, match="the key is for another account"):
        other_account(harness).backfill(collection)
    harness.backfill(collection)
    assert harness.sql("SELECT count(*) FROM stripe_raw.records") == [(3,)]


def test_the_first_key_of_a_sync_is_compared_with_what_another_one_has_stored(
    harness: SyncHarness,
) -> None:
    hide_accounts(harness)
    harness.sandbox.control.seed({"customer": 3})
    harness.backfill("product")  # nothing is stored, so a key of any account fits
    other_account(harness).backfill("customer")
    with pytest.raises(ConfigurationError, match="the key is for another account"):
        harness.backfill("customer")
    assert harness.sql("SELECT count(*) FROM stripe_raw.records") == [(3,)]


def test_a_known_account_is_not_mixed_with_one_that_cannot_be_read(harness: SyncHarness) -> None:
    harness.sandbox.control.seed({"customer": 3})
    harness.backfill("customer")
    hide_accounts(harness)
    with pytest.raises(ConfigurationError, match="the key is for another account"):
        other_account(harness).backfill("customer")


def test_another_key_of_an_account_that_cannot_be_read_goes_on(harness: SyncHarness) -> None:
    hide_accounts(harness)
    harness.sandbox.control.seed({"customer": 3})
    harness.backfill("customer")
    before = stored(harness)
    harness.sandbox.control.add_key("sk_test_new")
    [report] = harness.with_key("sk_test_new").backfill("customer")
    assert (report.objects, report.created, report.updated) == (3, 0, 0)
    assert stored(harness) == before


@pytest.mark.parametrize("key", ["same key", "new key"])
def test_an_identity_is_learnt_once_and_keeps_what_is_stored(
    harness: SyncHarness, key: str
) -> None:
    account = own_account(harness)
    hide_accounts(harness)
    harness.sandbox.control.seed({"customer": 3})
    harness.backfill("customer")
    unknown, resource = stored(harness)
    assert unknown.startswith("unknown:")
    harness.sandbox.control.no_faults()
    forget_check(harness)
    if key == "new key":
        harness.sandbox.control.add_key("sk_test_new")
        harness = harness.with_key("sk_test_new")

    harness.backfill("customer")

    assert stored(harness) == (account, resource)
    with pytest.raises(ConfigurationError, match="acct_other"):
        other_account(harness).backfill("customer")


def test_an_unknown_identity_is_not_given_to_the_account_of_another_key(
    harness: SyncHarness,
) -> None:
    hide_accounts(harness)
    harness.sandbox.control.seed({"customer": 3})
    harness.backfill("customer")
    before = stored(harness)
    other = other_account(harness)
    harness.sandbox.control.no_faults()
    with pytest.raises(ConfigurationError, match="acct_other"):
        other.backfill("customer")
    assert stored(harness) == before


def test_an_invoice_names_the_account_where_nothing_else_does(harness: SyncHarness) -> None:
    harness.sandbox.control.fault("gone", endpoint=ACCOUNT)
    url = "https://invoice.stripe.com/i/acct_of_invoice/test_abc?s=ap"
    harness.sandbox.control.put({"object": "invoice", "id": "in_1", "hosted_invoice_url": url})
    harness.plan("customer")
    assert stored(harness)[0] == "acct_of_invoice"


def test_a_platform_without_access_to_the_account_is_refused(harness: SyncHarness) -> None:
    credential = replace(harness.connections.credential, account="acct_nobody")
    with pytest.raises(AccountDisconnected, match="no access"):
        replace(harness, connections=replace(harness.connections, credential=credential)).plan(
            "customer"
        )


def test_a_key_is_checked_once_an_hour_by_all_processes_together(harness: SyncHarness) -> None:
    harness.backfill("customer", "product")
    harness.poll()
    assert requests(harness) == 1

    harness.sql(
        "UPDATE stripe_sync.syncs SET key_checked_at = %s RETURNING 1",
        datetime.now(UTC) - CHECK_EVERY - timedelta(seconds=1),
    )
    harness.poll()
    assert requests(harness) == 2
    harness.sandbox.control.add_key("sk_test_new")
    harness.with_key("sk_test_new").poll()
    assert requests(harness) == 3


def test_a_key_that_was_revoked_after_its_check_is_refused(harness: SyncHarness) -> None:
    harness.plan("customer")
    harness.sandbox.control.remove_key(harness.sandbox.api_key)
    with pytest.raises(AuthenticationError):
        harness.poll()


def test_many_sessions_at_once_stay_within_the_limits(harness: SyncHarness) -> None:
    """The check of the key is paced like every request."""
    harness.sandbox.control.settings(test_limits=stripe_limits(livemode=False).model_dump())
    harness.plan("customer")
    forget_check(harness)
    with ThreadPoolExecutor(31) as pool:
        list(pool.map(lambda _: harness.plan("customer"), range(31)))
    stats = harness.sandbox.control.stats()
    assert stats["rate_limited"] == {}
    assert stats["peak_per_second"] <= 25


def test_a_fingerprint_is_another_one_for_each_key_and_account() -> None:
    credentials = [
        Credential("sk_test_1"),
        Credential("sk_test_2"),
        Credential("sk_test_1", account="acct_1"),
        Credential("sk_test_1", "http://127.0.0.1:1"),
    ]
    assert len({key_fingerprint(each) for each in credentials}) == len(credentials)
