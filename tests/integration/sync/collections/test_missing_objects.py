"""Objects that no list returns are stored because others name them, each asked for once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from databases import new_database
from stripe_sandbox.server import running
from stripe_sync.sync.reconcile.reconcile import reconcile_collection
from sync_harness import SYNC, SyncHarness, make_harness, unthrottled

Doc = dict[str, Any]

CLOSED = {"id": "prv_closed", "object": "review", "created": 1_700_000_000, "open": False}
DESTINATION = {"id": "ba_own", "object": "bank_account", "account": "acct_own", "last4": "6789"}


@pytest.fixture(scope="module")
def harness(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncHarness]:
    """An account whose objects name others that no list returns."""
    with running() as sandbox, new_database(postgres_url) as url:
        made = unthrottled(make_harness(sandbox, url, tmp_path_factory.mktemp("missing")))
        _fill(made)
        yield made
        made.assert_streams_agree()


def _fill(harness: SyncHarness) -> None:
    control = harness.sandbox.control
    control.put(CLOSED, DESTINATION)
    control.put(
        {"id": "ch_1", "object": "charge", "created": 1_700_000_100, "review": CLOSED["id"]}
    )
    control.put({"id": "ch_2", "object": "charge", "created": 1_700_000_200, "review": "prv_gone"})
    control.put(
        {"id": "po_1", "object": "payout", "created": 1_700_000_300, "destination": "ba_own"}
    )


def keys(harness: SyncHarness, collection: str) -> set[str]:
    query = "SELECT upstream_id FROM stripe_raw.records WHERE collection_id = %s AND NOT deleted"
    return {key for (key,) in harness.sql(query, f"stripe:{collection}")}


def retrieved(harness: SyncHarness, path: str) -> int:
    """Requests for single objects since the last call."""
    by_endpoint: dict[str, int] = harness.sandbox.control.stats()["by_endpoint"]
    harness.sandbox.control.reset_stats()
    return sum(n for name, n in by_endpoint.items() if name.startswith(f"GET {path}/"))


def test_the_last_collection_of_a_backfill_retrieves_what_no_list_returned(
    harness: SyncHarness,
) -> None:
    reports = harness.backfill("charge", "review", "payout", "bank_account")
    assert [each.missing for each in reports] == [0, 0, 0, 2]
    assert keys(harness, "review") == {"prv_closed"}
    assert keys(harness, "bank_account") == {"ba_own"}
    assert harness.record("ba_own")["parent_id"] == "acct_own"
    assert set(harness.lake.records("review")["upstream_id"]) == {"prv_closed"}
    assert retrieved(harness, "/v1/reviews") == 2


def test_what_is_gone_and_what_is_stored_is_not_asked_for_again(harness: SyncHarness) -> None:
    for name in ("charge", "review", "payout", "bank_account"):
        assert reconcile_collection(harness.connections, SYNC, name).missing == 0
    assert retrieved(harness, "/v1/reviews") == 0


def test_a_live_change_brings_what_it_names(harness: SyncHarness) -> None:
    harness.poll()
    harness.sandbox.control.put({**CLOSED, "id": "prv_live"})
    _change(
        harness, {"id": "ch_1", "object": "charge", "created": 1_700_000_100, "review": "prv_live"}
    )
    harness.poll()
    assert "prv_live" in keys(harness, "review")
    [created] = harness.events("prv_live")
    assert (created["event_type"], created["source"]) == ("created", "poll")


def test_a_gone_object_that_changes_name_is_asked_for_once(harness: SyncHarness) -> None:
    retrieved(harness, "/v1/reviews")
    for amount in (1, 2):
        charge = {"id": "ch_2", "object": "charge", "created": 1_700_000_200, "amount": amount}
        _change(harness, {**charge, "review": "prv_lost"})
        harness.poll()
    assert retrieved(harness, "/v1/reviews") == 1


def test_a_collection_that_is_added_later_is_searched_for_in_everything(
    harness: SyncHarness,
) -> None:
    customer = {"id": "cus_clock", "object": "customer", "created": 1, "test_clock": "clock_lost"}
    harness.sandbox.control.put(customer)
    charge = {"id": "ch_3", "object": "charge", "created": 1_700_000_400, "customer": "cus_clock"}
    harness.sandbox.control.put(charge)
    reconcile_collection(harness.connections, SYNC, "charge")
    [report] = harness.backfill("customer")
    assert report.missing == 1
    assert keys(harness, "customer") == {"cus_clock"}


def test_one_that_fails_is_tried_again_later_and_does_not_stop_the_others(
    harness: SyncHarness,
) -> None:
    harness.sandbox.control.put({**CLOSED, "id": "prv_a"}, {**CLOSED, "id": "prv_b"})
    charges = [
        {"id": f"ch_{name}", "object": "charge", "created": 1_700_000_500, "review": f"prv_{name}"}
        for name in ("a", "b")
    ]
    harness.sandbox.control.put(*charges)
    harness.sandbox.control.add_key(
        "rk_test_no_reviews", permissions=["rak_connected_account_read", "rak_charge_read"]
    )
    limited = harness.with_key("rk_test_no_reviews")
    assert reconcile_collection(limited.connections, SYNC, "charge").missing == 0
    query = "SELECT count(*) FROM stripe_sync.missing_objects WHERE status = 'pending'"
    assert harness.sql(query) == [(2,)]
    assert harness.sql("UPDATE stripe_sync.missing_objects SET retry_at = NULL RETURNING 1")
    assert reconcile_collection(harness.connections, SYNC, "review").missing == 2
    assert {"prv_a", "prv_b"} <= keys(harness, "review")


def _change(harness: SyncHarness, obj: Doc) -> None:
    """Change an object, with a Stripe event."""
    harness.sandbox.control.put(obj, emit=True)
