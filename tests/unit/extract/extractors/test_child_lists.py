"""Children: what is read, what is known without a request, what is deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from stripe_sync.catalog import ListCall
from stripe_sync.errors import InvalidRequest
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


async def test_a_parent_that_is_gone_deletes_no_children() -> None:
    async with reads(error(404, code="resource_missing", message="No such invoice")) as made:
        made.stored.below["stripe:line_item"] = {"in_1": ["in_1:il_9"]}
        source = SourceObject({"id": "in_1", "object": "invoice"}, EARLIER)
        assert keys(await extract(made, "line_item", source)) == [[]]


async def test_a_refusal_that_means_no_children_is_no_error() -> None:
    refusal = error(400, message="This account has platform controls")
    async with reads(refusal) as made:
        assert keys(await extract(made, "person", SourceObject({"id": "acct_1"}, EARLIER))) == [[]]


async def test_any_other_refusal_is_raised() -> None:
    async with reads(error(400, message="Invalid account")) as made:
        with pytest.raises(InvalidRequest):
            await extract(made, "person", SourceObject({"id": "acct_1"}, EARLIER))
