"""Stored mutations: how long they are kept, and what is said of those without an outcome."""

from __future__ import annotations

import traceback

import pytest

from stripe_sync.errors import WarehouseError
from stripe_sync.records import ids
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.mutations.intents import NewIntent

SYNC = ids.sync_id("main")


def sent(warehouse: Warehouse, key: str, age: str) -> None:
    """A request that was sent so long ago, and has no outcome."""
    intent = NewIntent(
        0, "stripe:customer", "create", "POST", "/v1/customers", {}, "name=A", "h", f"i-{key}"
    )
    warehouse.mutations.prepare(SYNC, key, [intent])
    warehouse.mutations.mark_sent(SYNC, key, 0)
    with warehouse.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE stripe_sync.mutations SET created_at = now() - %s::interval,"
            " sent_at = now() - %s::interval WHERE key = %s",
            (age, age, key),
        )


def test_what_nobody_may_send_any_more_is_forgotten(warehouse: Warehouse) -> None:
    for key, age in {"new": "1 hour", "expired": "25 hours", "old": "31 days"}.items():
        sent(warehouse, key, age)
    assert warehouse.mutations.prune(SYNC) == 1
    assert [each.body for each in warehouse.mutations.find(SYNC, "new")] == ["name=A"]
    [expired] = warehouse.mutations.find(SYNC, "expired")
    assert (expired.body, expired.is_key_expired) == (None, True)
    assert warehouse.mutations.find(SYNC, "old") == []


def test_a_try_that_another_one_followed_decides_nothing(warehouse: Warehouse) -> None:
    for method in ("POST", "DELETE"):
        intent = NewIntent(
            *(0, "stripe:customer", "x", method, "/v1/customers", {}, "", "h", f"i-{method}")
        )
        store = warehouse.mutations
        store.prepare(SYNC, method, [intent])
        first, second = (store.mark_sent(SYNC, method, 0) for _ in range(2))
        assert (first.status, second.status) == ("prepared", "sent")
        store.mark_unsent(SYNC, first)
        assert store.find(SYNC, method)[0].status == "sent"
        # Stripe answers a POST alike for its key; of a DELETE the second try has the outcome.
        assert store.refuse(SYNC, first, {"type": "x"}) is (method == "POST")
    store.mark_unsent(SYNC, second)
    assert store.find(SYNC, "DELETE")[0].status == "prepared"


def test_no_error_shows_what_is_sent(warehouse: Warehouse) -> None:
    intent = NewIntent(
        *(0, "stripe:customer", "create", "POST", "/v1/customers", {}, "name=Tell", "h", "i")
    )
    with pytest.raises(WarehouseError) as caught:
        warehouse.mutations.prepare(ids.sync_id("unknown"), "k", [intent])
    assert "Tell" not in "".join(traceback.format_exception(caught.value))


def test_an_unknown_outcome_is_a_problem(warehouse: Warehouse) -> None:
    sent(warehouse, "now", "1 minute")
    assert not any("unknown outcome" in each.text for each in warehouse.problems.all())
    sent(warehouse, "earlier", "2 hours")
    [problem] = [each for each in warehouse.problems.all() if "unknown outcome" in each.text]
    assert problem.text.startswith("1 writes to Stripe have an unknown outcome (the first: create")
