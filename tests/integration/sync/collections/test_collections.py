"""Every collection of the catalogue, each obtained the way Stripe offers it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from request_lower_bound import minimum_requests
from shop import CATALOG, EVERY, BackfilledShop, Shop
from stripe_sync.catalog import Retrieval
from stripe_sync.sync.session import open_session
from sync_harness import SYNC, SyncHarness, make_harness, unthrottled


@pytest.fixture(scope="module")
def shop(backfilled: BackfilledShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with backfilled.copy(tmp_path_factory.mktemp("collections")) as found:
        yield found


@pytest.mark.parametrize("name", EVERY)
def test_everything_is_stored_once_under_its_key(shop: Shop, name: str) -> None:
    collection = CATALOG.resolve(name)
    expected = shop.expected(collection)
    stored = shop.harness.sql(
        "SELECT upstream_id FROM stripe_raw.records WHERE collection_id = %s AND NOT deleted",
        collection.id,
    )
    # Others name closed reviews, which the list never shows.
    missing = "SELECT upstream_id FROM stripe_sync.missing_objects WHERE status = 'unlisted'"
    named = {key for (key,) in shop.harness.sql(f"{missing} AND collection_id = %s", collection.id)}
    assert bool(named) is (name == "review")
    assert sorted(found[0] for found in stored) == sorted([*expected, *named])
    assert len(shop.harness.lake.records(name)) == len(expected) + len(named)
    state = shop.harness.state(name)
    if collection.retrieval is Retrieval.CREATE_ONLY:
        assert (state["status"], state["objects"]) == ("empty", 0)
        assert "mutations" in state["message"]
    else:
        assert (state["status"], state["percent"]) == ("done", 100)
        assert state["objects"] >= len(expected) > 0


@pytest.mark.parametrize(
    "name", [n for n in EVERY if any(c.parent for c in CATALOG.resolve(n).lists)]
)
def test_children_have_the_id_of_their_parent(shop: Shop, name: str) -> None:
    collection = CATALOG.resolve(name)
    rows = shop.harness.sql(
        "SELECT parent_id, payload FROM stripe_raw.records WHERE collection_id = %s", collection.id
    )
    parents = {
        obj["id"]
        for call in collection.lists
        if call.parent
        for obj in shop.objects(CATALOG.parent(call.parent).object)
    }
    for parent_id, payload in rows:
        own = name == "tax_id" and payload["customer"] is None
        assert (parent_id in parents) is not own


def test_every_record_is_its_newest_event(shop: Shop) -> None:
    shop.harness.assert_streams_agree()


def test_no_collection_takes_many_more_requests_than_needed(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, wasteful = [], []
    for name, report in shop.reports.items():
        needed = minimum_requests(CATALOG.resolve(name), shop.objects)
        lines.append(f"{name:32} {report.requests:5} of {needed:5}")
        wasteful += [name] if report.requests > 1.15 * needed else []
    with capsys.disabled():
        print("\nrequests, and the fewest that the API allows\n" + "\n".join(lines))
    assert wasteful == []


def test_a_second_backfill_changes_nothing(shop: Shop) -> None:
    before = shop.harness.sql("SELECT max(seq) FROM stripe_raw.events")
    names = [n for n in EVERY if CATALOG.resolve(n).retrieval is not Retrieval.TOP_LEVEL_LIST]
    reports = shop.harness.backfill(*names)
    assert {(r.created, r.updated) for r in reports} == {(0, 0)}
    assert shop.harness.sql("SELECT max(seq) FROM stripe_raw.events") == before


ALONE = (
    "capability",
    "discount",
    "item",
    "line_item",
    "mandate",
    "source",
    "source_transaction",
    "tax_deducted_at_source",
    "upcoming_line_item",
    "usage_record_summary",
)


@pytest.mark.parametrize("name", ALONE)
def test_a_collection_needs_no_other_to_be_backfilled_first(
    shop: Shop, warehouse_url: str, tmp_path: Path, name: str
) -> None:
    harness = unthrottled(make_harness(shop.harness.sandbox, warehouse_url, tmp_path))
    harness.backfill(name)
    collection = CATALOG.resolve(name)
    stored = harness.sql(
        "SELECT upstream_id FROM stripe_raw.records WHERE collection_id = %s", collection.id
    )
    assert sorted(found[0] for found in stored) == sorted(shop.expected(collection))
    assert harness.state(name)["status"] == "done"
    others = harness.sql("SELECT DISTINCT collection_id FROM stripe_raw.records")
    derived_collections = {
        "stripe:upcoming_customer_invoice",
        "stripe:upcoming_subscription_invoice",
    }
    assert {found[0] for found in others} - {collection.id} <= derived_collections


@pytest.mark.parametrize("name", ["line_item", "bank_account", "discount", "mandate", "item"])
def test_reading_resumes_after_every_slice(shop: Shop, name: str) -> None:
    collection = CATALOG.resolve(name)

    async def keys_after(position: dict[str, Any]) -> list[tuple[list[str], dict[str, Any]]]:
        async with open_session(shop.harness.connections, SYNC) as session:
            pieces = session.reader(collection).full(position)
            return [
                (
                    [o.upstream_id for item in piece.items for o in item.observations],
                    piece.cursor or {},
                )
                async for piece in pieces
            ]

    whole = asyncio.run(keys_after({}))
    assert len(whole) > 1
    for number, (_, position) in enumerate(whole):
        expected = {key for keys, _ in whole[number + 1 :] for key in keys}
        read = {key for keys, _ in asyncio.run(keys_after(position)) for key in keys}
        # What was seen before may be read again, but nothing is passed over.
        assert expected <= read


def test_objects_of_test_clocks_are_found_in_test_mode(harness: SyncHarness) -> None:
    api = harness.stripe.v1
    clock = api.test_helpers.test_clocks.create({"frozen_time": 1_790_000_000})
    customer = api.customers.create({"name": "Alia", "test_clock": clock.id})
    invoice = api.invoices.create({"customer": customer.id})
    assert [c.id for c in api.customers.list().data] == []
    harness.backfill("customer", "invoice")
    assert harness.record(customer.id)["payload"]["test_clock"] == clock.id
    assert harness.record(invoice.id)["payload"]["customer"] == customer.id


def test_a_missing_permission_for_children_is_reported(harness: SyncHarness) -> None:
    harness = unthrottled(harness)
    harness.sandbox.control.demo()
    harness.sandbox.control.add_key(
        "rk_test_few", permissions=["rak_customer_read", "rak_invoice_read"]
    )
    reports = harness.with_key("rk_test_few").backfill()
    by_name = {report.collection: report for report in reports}
    assert {*by_name, "upcoming_line_item"} == set(EVERY)  # it is read together with others
    names: dict[str, set[str]] = {}
    for name in EVERY:
        names.setdefault(harness.state(name)["status"], set()).add(name)
    # The children of customers and invoices need the same permissions.
    readable = {
        *("customer", "customer_balance_transaction", "tax_id"),
        *("invoice", "invoice_payment", "invoiceitem", "line_item"),
    }
    # What hangs on customers is read; what hangs on others is named in the message.
    in_part = {"bank_account", "discount", "source"}
    assert names.pop("done") == readable | in_part
    assert names.pop("empty") == {"token", "usage_record"}
    forbidden = names.pop("forbidden")
    assert names == {}
    assert all(harness.state(name)["permission"].startswith("rak_") for name in forbidden)
    for report in reports:
        state = harness.state(report.collection)
        assert (report.status, report.permission) == (state["status"], state["permission"])
        if report.collection in forbidden:
            assert str(report.permission) in str(report.message)
    for name in in_part:
        assert str(by_name[name].message).startswith("in part: without /v1/")
