"""Children: what is read, what is known without a request, what is deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from stripe_sync.catalog import ListCall
from stripe_sync.errors import PermissionDenied, StripeUnavailable
from stripe_sync.extract.extractors.child_lists import ChildListExtractor
from stripe_sync.extract.extractors.source_objects import SourceObject
from unit.client.scripted_stripe import Answer, error, found
from unit.extract.scripted_reads import Reads, keys, reads

pytestmark = pytest.mark.anyio

EARLIER = datetime(2026, 10, 1, tzinfo=UTC)
VANISHED = error(400, code="resource_missing", param="starting_after", message="No such line")


def line(name: str) -> dict[str, Any]:
    return {"id": name, "object": "line_item", "invoice": "in_1"}


def invoice(*names: str, has_more: bool = False) -> SourceObject:
    lines = {"object": "list", "data": [line(name) for name in names], "has_more": has_more}
    return SourceObject({"id": "in_1", "object": "invoice", "lines": lines}, EARLIER)


def page(*objects: dict[str, Any], has_more: bool = False) -> Answer:
    return found({"object": "list", "data": list(objects), "has_more": has_more})


async def extract(
    made: Reads, name: str, source: SourceObject, *, tombstones: bool = True, **changes: Any
) -> list[list[Any]]:
    """The children of an object, read by the first list of their collection."""
    collection = made.context.catalog.resolve(name)
    call: ListCall = collection.lists[0].model_copy(update=changes)
    extractor = ChildListExtractor(made.context, collection, [call], tombstones=tombstones)
    return await extractor([source])


async def test_a_list_that_is_embedded_in_full_takes_no_request() -> None:
    async with reads(page()) as made:
        observations = await extract(made, "line_item", invoice("il_1", "il_2"))
        assert keys(observations) == [["in_1:il_1", "in_1:il_2"]]
        assert made.targets == []
    assert {o.observed_at for o in observations[0]} == {EARLIER}


async def test_the_rest_of_an_embedded_list_is_read_after_its_last_object() -> None:
    async with reads(page(line("il_2"))) as made:
        observations = await extract(made, "line_item", invoice("il_1", has_more=True))
        assert keys(observations) == [["in_1:il_1", "in_1:il_2"]]
        assert made.targets == ["/v1/invoices/in_1/lines"]
        assert "starting_after=il_1" in made.bench.server.requests[0].target


async def test_a_deleted_last_object_is_left_out_and_the_list_read_again() -> None:
    async with reads(VANISHED, page(line("il_0"), line("il_2"))) as made:
        observations = await extract(made, "line_item", invoice("il_1", has_more=True))
    assert keys(observations) == [["in_1:il_0", "in_1:il_2"]]


async def test_stored_children_that_are_not_listed_become_tombstones() -> None:
    async with reads(page()) as made:
        made.stored.below["stripe:line_item"] = {"in_1": ["in_1:il_1", "in_1:il_9"]}
        observations = await extract(made, "line_item", invoice("il_1"))
    assert keys(observations) == [["in_1:il_1", "-in_1:il_9"]]
    assert observations[0][1].observed_at == EARLIER


async def test_there_are_no_tombstones_where_they_are_not_asked_for() -> None:
    async with reads(page()) as made:
        made.stored.below["stripe:line_item"] = {"in_1": ["in_1:il_9"]}
        assert keys(await extract(made, "line_item", invoice(), tombstones=False)) == [[]]


async def test_there_are_no_tombstones_where_a_list_may_leave_out_existing_objects() -> None:
    async with reads(page()) as made:
        made.stored.below["stripe:line_item"] = {"in_1": ["in_1:il_9"]}
        found = await extract(made, "line_item", invoice(), missing_means_deleted=False)
    assert keys(found) == [[]]


async def test_a_skipped_parent_takes_no_request_and_deletes_nothing() -> None:
    async with reads(page()) as made:
        made.stored.below["stripe:setup_attempt"] = {"seti_1": ["setatt_9"]}
        source = SourceObject({"id": "seti_1", "latest_attempt": None}, EARLIER)
        assert keys(await extract(made, "setup_attempt", source)) == [[]]
        assert made.targets == []


PAID = {"automatic": True, "status": "paid", "reconciliation_status": "completed"}


async def test_a_list_that_never_changes_is_read_once() -> None:
    transaction = {"id": "txn_1", "object": "balance_transaction"}
    async with reads(page(transaction), page(transaction)) as made:
        name = "payout_balance_transaction"
        made.stored.below[f"stripe:{name}"] = {"po_1": ["po_1:txn_1"]}
        stored, new = (SourceObject({**PAID, "id": f"po_{n}"}, EARLIER) for n in (1, 2))
        assert keys(await extract(made, name, stored)) == [[]]
        assert made.targets == []
        assert keys(await extract(made, name, new)) == [["po_2:txn_1"]]
        # Where the list may change, both are asked for.
        assert keys(await extract(made, name, stored, read_once=False)) == [["po_1:txn_1"]]


async def test_a_parent_that_is_gone_deletes_no_children() -> None:
    async with reads(error(404, code="resource_missing", message="No such invoice")) as made:
        made.stored.below["stripe:line_item"] = {"in_1": ["in_1:il_9"]}
        source = SourceObject({"id": "in_1", "object": "invoice"}, EARLIER)
        assert keys(await extract(made, "line_item", source)) == [[]]


async def test_a_refusal_that_means_no_children_is_no_error() -> None:
    refusal = error(400, message="This account has platform controls")
    async with reads(refusal) as made:
        assert keys(await extract(made, "person", SourceObject({"id": "acct_1"}, EARLIER))) == [[]]


def account(number: int) -> SourceObject:
    return SourceObject({"id": f"acct_{number}"}, EARLIER)


def persons(made: Reads) -> ChildListExtractor:
    collection = made.context.catalog.resolve("person")
    return ChildListExtractor(made.context, collection, collection.lists)


REFUSALS = [
    error(400, message="Invalid account"),
    error(403, message="Having the 'rak_account_read' permission would allow this"),
    error(404, code="resource_missing", message="No such account"),
    error(404, message="Unrecognized request URL"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["400", "403", "404", "no endpoint"])
async def test_a_refused_parent_costs_only_its_own_children(refusal: Answer) -> None:
    person = found({"data": [{"id": "person_1", "object": "person"}], "has_more": False})
    async with reads(refusal, person) as made:
        made.stored.below["stripe:person"] = {"acct_1": ["person_8"], "acct_2": ["person_9"]}
        extractor = persons(made)
        first = await extractor([account(1)])
        assert keys(first) == [[]]
        assert keys(await extractor([account(2)])) == [["person_1", "-person_9"]]
        message = str(made.context.requester.refusals.message)
    assert message.startswith("in part: without /v1/accounts/{account}/persons of acct_1: ")


async def test_a_parent_for_which_stripe_keeps_failing_costs_only_itself() -> None:
    down, up = error(500, message="Sorry"), error(403, message="No")
    # Pages of 100, 50, 25, 12, 6 and 3 persons are tried once, one of a single person six times.
    async with reads(*[down] * 12, up, *[down] * 6, page()) as made:
        assert keys(await persons(made)([account(1)])) == [[]]
        assert made.targets.count("/v1/balance") == 1
        assert "acct_1" in str(made.context.requester.refusals.message)


async def test_an_outage_is_raised() -> None:
    async with reads(error(500, message="Sorry")) as made:
        with pytest.raises(StripeUnavailable):
            await persons(made)([account(1)])
        assert not made.context.requester.refusals


async def test_after_a_hundred_denials_in_a_row_no_other_parent_is_asked() -> None:
    async with reads(error(403, message="No")) as made:
        with pytest.raises(PermissionDenied):
            await persons(made)([account(number) for number in range(100)])


async def test_what_was_read_of_a_list_before_a_refusal_is_kept_and_deletes_nothing() -> None:
    first = page(line("il_1"), has_more=True)
    async with reads(first, error(400, message="No")) as made:
        made.stored.below["stripe:line_item"] = {"in_1": ["in_1:il_9"]}
        source = SourceObject({"id": "in_1", "object": "invoice"}, EARLIER)
        assert keys(await extract(made, "line_item", source)) == [["in_1:il_1"]]
