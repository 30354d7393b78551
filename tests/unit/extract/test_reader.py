"""The partitions that a collection is read in, and resuming after each slice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stripe_sync.extract.reader import CollectionReader, FetchedObject
from stripe_sync.records import StoredObject
from stripe_sync.records.canonical_json import JsonObject
from unit.client.scripted_stripe import Answer, error, found
from unit.extract.scripted_reads import Reads, reads

pytestmark = pytest.mark.anyio

EARLIER = datetime(2026, 10, 1, tzinfo=UTC)
EMPTY = found({"object": "list", "data": [], "has_more": False})


def stored_invoices(count: int) -> list[StoredObject]:
    """Stored invoices with one line each."""
    return [
        StoredObject(
            f"in_{number:03}",
            {
                "id": f"in_{number:03}",
                "lines": {"data": [{"id": f"il_{number:03}", "object": "line_item"}]},
            },
            EARLIER,
            "v",
        )
        for number in range(count)
    ]


async def read(
    made: Reads, name: str, cursor: JsonObject | None = None
) -> list[tuple[list[str], JsonObject | None]]:
    """Keys of each slice, with the cursor after it."""
    reader = CollectionReader(made.context.catalog.resolve(name), made.context)
    return [
        ([o.upstream_id for item in each.items for o in item.observations], each.cursor)
        async for each in reader.full(cursor)
    ]


async def test_children_of_stored_parents_take_no_request_and_resume_after_each_slice() -> None:
    async with reads(EMPTY) as made:
        made.stored.objects["stripe:invoice"] = stored_invoices(250)
        made.stored.complete.add("stripe:invoice")
        whole = await read(made, "line_item")
        # The first one only says how far it is.
        assert [len(keys) for keys, _ in whole] == [0, 100, 100, 50]
        for number, (_, cursor) in enumerate(whole):
            assert await read(made, "line_item", cursor) == whole[number + 1 :]
        assert made.targets == []


async def test_children_are_read_through_the_list_of_parents_that_are_not_stored() -> None:
    async with reads(EMPTY) as made:
        made.stored.objects["stripe:invoice"] = stored_invoices(1)
        assert [keys for keys, _ in await read(made, "line_item")] == [[]]
        assert made.targets == ["/v1/invoices"]


async def test_the_fallback_of_a_refused_list_reads_the_parents() -> None:
    refused = error(400, message="This list is not available")
    async with reads(refused, EMPTY) as made:
        await read(made, "payment_method")
        assert made.targets == ["/v1/payment_methods", "/v1/customers"]


BALANCES = "/v1/customers/{}/balance_transactions"


def with_customers(made: Reads) -> None:
    """Four customers: a balance, a credit note, an invoice with a balance, and nothing at all."""
    rows = {
        "customer": [{"id": f"cus_{n}", "balance": 5 * (n == 1)} for n in range(1, 5)],
        "credit_note": [
            {"id": "cn_1", "customer": "cus_2", "customer_balance_transaction": "cbtxn_1"},
            {"id": "cn_2", "customer": "cus_4", "customer_balance_transaction": None},
        ],
        "invoice": [
            {"id": "in_1", "customer": "cus_3", "starting_balance": -5, "ending_balance": 0},
            {"id": "in_2", "customer": "cus_4", "starting_balance": 0, "ending_balance": None},
        ],
    }
    for name, objects in rows.items():
        made.stored.objects[f"stripe:{name}"] = [
            StoredObject(str(obj["id"]), obj, EARLIER, "v") for obj in objects
        ]
        made.stored.complete.add(f"stripe:{name}")


async def test_only_customers_that_may_have_balance_transactions_are_asked_for() -> None:
    async with reads(EMPTY) as made:
        with_customers(made)
        await read(made, "customer_balance_transaction")
        assert sorted(made.targets) == [BALANCES.format(f"cus_{n}") for n in (1, 2, 3)]


@pytest.mark.parametrize("unfinished", ["invoice", "credit_note"])
async def test_every_customer_is_asked_for_where_nothing_can_speak_for_them(
    unfinished: str,
) -> None:
    async with reads(EMPTY) as made:
        with_customers(made)
        made.stored.complete.remove(f"stripe:{unfinished}")
        await read(made, "customer_balance_transaction")
        assert len(made.targets) == 4


async def test_every_customer_is_asked_for_where_the_sync_wants_that() -> None:
    async with reads(EMPTY) as made:
        with_customers(made)
        context = replace(made.context, every_parent=True)
        reader = CollectionReader(context.catalog.resolve("customer_balance_transaction"), context)
        assert [each async for each in reader.full()]
        assert len(made.targets) == 4


def fetched(made: Reads, name: str, obj: JsonObject, event: str) -> FetchedObject:
    collection = made.context.catalog.resolve(name)
    return FetchedObject(collection, obj, EARLIER, [{"id": event}])


async def changes(made: Reads, name: str, *objects: FetchedObject) -> list[tuple[list[str], bool]]:
    """Keys and whether it failed, for each part that changed objects lead to."""
    reader = CollectionReader(made.context.catalog.resolve(name), made.context)
    found = await reader.for_changes(objects, ())
    return [([o.upstream_id for o in each.observations], each.error is not None) for each in found]


async def test_changed_objects_of_unrelated_collections_lead_to_nothing() -> None:
    async with reads(EMPTY) as made:
        unrelated = fetched(made, "product", {"id": "prod_1"}, "evt_1")
        assert await changes(made, "mandate", unrelated) == []
        assert made.targets == []


async def test_a_stored_reference_of_a_changed_object_is_not_retrieved() -> None:
    async with reads(found({"id": "mandate_2", "object": "mandate"})) as made:
        made.stored.objects["stripe:mandate"] = [StoredObject("mandate_1", {}, EARLIER, "v")]
        old = fetched(made, "setup_intent", {"id": "seti_1", "mandate": "mandate_1"}, "evt_1")
        new = fetched(made, "setup_intent", {"id": "seti_2", "mandate": "mandate_2"}, "evt_2")
        assert await changes(made, "mandate", old, new) == [(["mandate_2"], False)]
        assert made.targets == ["/v1/mandates/mandate_2"]


async def test_an_error_is_returned_with_the_stripe_events_that_led_to_it() -> None:
    down: Answer = error(500, message="Sorry")
    async with reads(down) as made:
        new = fetched(made, "setup_intent", {"id": "seti_2", "mandate": "mandate_2"}, "evt_2")
        reader = CollectionReader(made.context.catalog.resolve("mandate"), made.context)
        [failed] = await reader.for_changes([new], ())
    assert failed.error is not None
    assert failed.events == [{"id": "evt_2"}]


async def test_a_changed_object_is_not_modified_by_extracting_from_it() -> None:
    async with reads(EMPTY) as made:
        lines = {"data": [{"id": "il_1", "object": "line_item"}], "has_more": False}
        obj: JsonObject = {"id": "in_1", "lines": lines}
        before = {**obj, "lines": {**lines, "data": [dict(lines["data"][0])]}}  # type: ignore[index]
        assert await changes(made, "line_item", fetched(made, "invoice", obj, "evt_1")) == [
            (["in_1:il_1"], False)
        ]
    assert obj == before
