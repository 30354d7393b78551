"""What an automatic payout consists of: asked for once, when Stripe knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from account_driver import Account, copied
from shop import CATALOG, BackfilledShop, Shop
from stripe_sync.clock import SystemClock, to_unix
from stripe_sync.sync.reconcile.reconcile import ReconcileReport, reconcile_collection
from sync_harness import SYNC, SyncHarness, make_harness, unthrottled

NAME = "payout_balance_transaction"
PAYOUT, TRANSACTION = CATALOG.resolve("payout"), CATALOG.resolve("balance_transaction")
MANY = 130
"""More transactions than a page has."""

Doc = dict[str, Any]


@pytest.fixture(scope="module")
def shop(backfilled: BackfilledShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The demo's shop, backfilled; each test adds payouts of its own."""
    with backfilled.copy(tmp_path_factory.mktemp("payouts")) as found:
        found.harness.poll()
        yield found
        found.harness.assert_streams_agree()


class Payouts:
    """Payouts of the shop that are made without Stripe events."""

    def __init__(self, harness: SyncHarness) -> None:
        self.account = Account(harness)
        self._numbers = count(1)

    def make(self, transactions: int, **fields: Any) -> Doc:
        """A paid automatic payout of some transactions and its own one."""
        mark = f"made{next(self._numbers)}_{transactions}"
        # Long ago for a Stripe event: reconcile leaves what is new to polling.
        created = to_unix(SystemClock().now() - timedelta(hours=2))
        template = next(o for o in self.account.objects(PAYOUT) if o["automatic"])
        state = {"status": "paid", "reconciliation_status": "completed", **fields}
        payout = copied(template, mark, created=created, amount=100 * transactions, **state)
        self.account.put(payout)
        part = {**self.account.objects(TRANSACTION)[0], "payout": payout["id"], "created": created}
        for number in range(transactions):
            name = f"txn_{mark}_{number}"
            self.account.put({**part, "id": name, "type": "charge", "net": 100})
        own = {"type": "payout", "net": -100 * transactions, "source": payout["id"]}
        self.account.put({**part, **own, "id": f"txn_{mark}_own"})
        return payout

    def change(self, payout: Doc, event: str, **fields: Any) -> None:
        """Change a payout, and send a Stripe event about it."""
        payout.update(fields)
        self.account.send_event(event, self.account.put(payout))


@pytest.fixture(scope="module")
def payouts(shop: Shop) -> Payouts:
    return Payouts(shop.harness)


def pairs(harness: SyncHarness, payout: Doc) -> list[str]:
    """Ids of the transactions that are stored for a payout."""
    query = (
        "SELECT payload ->> 'id' FROM stripe_raw.records"
        " WHERE collection_id = %s AND parent_id = %s AND NOT deleted ORDER BY 1"
    )
    return [name for (name,) in harness.sql(query, f"stripe:{NAME}", payout["id"])]


def expected(payouts: Payouts, payout: Doc) -> list[str]:
    transactions = payouts.account.objects(TRANSACTION)
    return sorted(o["id"] for o in transactions if o.get("payout") == payout["id"])


def reconcile(harness: SyncHarness, name: str, **how: Any) -> ReconcileReport:
    return reconcile_collection(harness.connections, SYNC, name, **how)


def poll_until(harness: SyncHarness, payout: Doc, number: int) -> None:
    """Poll until a payout has so many transactions."""

    async def run() -> None:
        async with harness.polling() as poller, asyncio.timeout(60):
            while len(pairs(harness, payout)) < number:
                await poller.poll()

    asyncio.run(run())


def list_requests(harness: SyncHarness) -> int:
    stats: Doc = harness.sandbox.control.stats()["by_endpoint"]
    return int(stats.get("GET /v1/balance_transactions", 0))


def test_the_transactions_of_a_payout_are_its_amount_to_the_cent(shop: Shop) -> None:
    rows = shop.harness.sql(
        "SELECT p.payload, count(t.id), sum((t.payload ->> 'net')::int)"
        " FILTER (WHERE t.payload ->> 'type' <> 'payout') FROM stripe_raw.records p"
        " LEFT JOIN stripe_raw.records t ON t.parent_id = p.upstream_id AND t.sync_id = p.sync_id"
        f" AND t.collection_id = 'stripe:{NAME}' WHERE p.collection_id = 'stripe:payout' GROUP BY 1"
    )
    known = [row for row in rows if row[0]["automatic"] and row[0]["status"] == "paid"]
    assert len(known) > 20
    assert all(total == payout["amount"] for payout, _, total in known)
    assert sum(number for _, number, _ in rows) == sum(number for _, number, _ in known)


def test_a_transaction_is_stored_as_stripe_returns_it(shop: Shop) -> None:
    differing = shop.harness.sql(
        "SELECT t.upstream_id FROM stripe_raw.records t LEFT JOIN stripe_raw.records b"
        " ON b.collection_id = 'stripe:balance_transaction' AND b.sync_id = t.sync_id"
        " AND b.upstream_id = t.payload ->> 'id'"
        f" WHERE t.collection_id = 'stripe:{NAME}' AND t.payload IS DISTINCT FROM b.payload"
    )
    assert differing == []


def test_no_payout_is_asked_for_again(shop: Shop) -> None:
    [report] = shop.harness.backfill(NAME)
    assert (report.requests, report.created, report.updated) == (0, 0, 0)
    found = reconcile(shop.harness, NAME)
    assert (found.status, found.requests, found.drift, found.message) == ("done", 0, 0, None)


def test_polling_asks_once_stripe_knows_the_transactions(shop: Shop, payouts: Payouts) -> None:
    harness = shop.harness
    payout = payouts.make(MANY, status="in_transit", reconciliation_status="in_progress")
    before = list_requests(harness)
    payouts.change(payout, "payout.paid", status="paid")
    harness.poll()
    assert (pairs(harness, payout), list_requests(harness)) == ([], before)

    payouts.change(payout, "payout.reconciliation_completed", reconciliation_status="completed")
    poll_until(harness, payout, MANY + 1)
    assert pairs(harness, payout) == expected(payouts, payout)
    assert list_requests(harness) == before + 2
    sources = harness.sql(
        "SELECT DISTINCT source, event_type FROM stripe_raw.events"
        " WHERE collection_id = %s AND upstream_id LIKE %s",
        f"stripe:{NAME}",
        f"{payout['id']}:%",
    )
    assert sources == [("poll", "created")]


def test_polling_asks_when_what_stripe_knows_is_paid(shop: Shop, payouts: Payouts) -> None:
    payout = payouts.make(2, status="in_transit")
    payouts.change(payout, "payout.reconciliation_completed")
    shop.harness.poll()
    assert pairs(shop.harness, payout) == []
    payouts.change(payout, "payout.paid", status="paid")
    poll_until(shop.harness, payout, 3)
    assert pairs(shop.harness, payout) == expected(payouts, payout)
    # The Stripe event of another payout shows that this one's was dealt with.
    before, other = list_requests(shop.harness), payouts.make(1)
    payouts.change(payout, "payout.paid")
    payouts.change(other, "payout.paid")
    poll_until(shop.harness, other, 2)
    assert list_requests(shop.harness) == before + 1


def test_reconcile_finds_what_polling_missed_and_asks_for_nothing_else(
    shop: Shop, payouts: Payouts
) -> None:
    payout = payouts.make(MANY)
    reconcile(shop.harness, "payout")
    before = list_requests(shop.harness)
    report = reconcile(shop.harness, NAME)
    assert (report.created, report.drift, report.requests) == (MANY + 1, MANY + 1, 2)
    assert pairs(shop.harness, payout) == expected(payouts, payout)
    assert list_requests(shop.harness) == before + 2


def test_a_window_reads_the_payouts_of_its_time(shop: Shop, payouts: Payouts) -> None:
    payout = payouts.make(3)
    report = reconcile(shop.harness, NAME, window=timedelta(days=1))
    assert pairs(shop.harness, payout) == expected(payouts, payout)
    assert report.status == "done"


@pytest.mark.parametrize(
    "fields",
    [
        {"automatic": False, "reconciliation_status": "not_applicable"},
        {"reconciliation_status": "in_progress"},
        {"status": "in_transit"},
        {"status": "failed"},
    ],
    ids=["manual", "in progress", "in transit", "failed"],
)
def test_other_payouts_are_not_asked_for(
    shop: Shop, payouts: Payouts, fields: dict[str, Any]
) -> None:
    payout = payouts.make(1, **fields)
    assert reconcile(shop.harness, "payout").created == 1
    assert reconcile(shop.harness, NAME).requests == 0
    payouts.change(payout, "payout.paid")
    before = list_requests(shop.harness)
    shop.harness.poll()
    assert (pairs(shop.harness, payout), list_requests(shop.harness)) == ([], before)


def test_a_bounded_sync_has_all_of_each_payout_that_it_has(
    shop: Shop, payouts: Payouts, warehouse_url: str, tmp_path: Any
) -> None:
    payout = payouts.make(2)
    old = {**payouts.account.objects(TRANSACTION)[0], "payout": payout["id"], "id": "txn_old"}
    payouts.account.put({**old, "created": to_unix(SystemClock().now() - timedelta(days=40))})
    harness = unthrottled(
        make_harness(shop.harness.sandbox, warehouse_url, tmp_path), max_age_days=30
    )
    harness.backfill("payout", NAME)
    unknown = harness.sql(
        "SELECT upstream_id FROM stripe_raw.records t WHERE collection_id = %s AND NOT EXISTS"
        " (SELECT FROM stripe_raw.records p WHERE p.upstream_id = t.parent_id)",
        f"stripe:{NAME}",
    )
    assert unknown == []
    assert pairs(harness, payout) == expected(payouts, payout)
    assert "txn_old" in pairs(harness, payout)
