"""Lists without a ``created`` filter: in Stripe's order, resumable after each page."""

from __future__ import annotations

import pytest

from stripe_sync.extract.extractors.embedded import ObjectExtractor
from stripe_sync.extract.lists.concurrent_ranges import Slice, cursor_list
from stripe_sync.extract.lists.pages import ListReader
from stripe_sync.extract.pagination import ListRequest
from unit.client.scripted_stripe import Answer, error, found
from unit.extract.scripted_reads import Reads, reads

pytestmark = pytest.mark.anyio

VANISHED = error(400, code="resource_missing", param="starting_after", message="No such tax id")


def page(*names: str, has_more: bool = False) -> Answer:
    data = [{"id": name, "object": "tax_id", "created": 5} for name in names]
    return found({"object": "list", "data": data, "has_more": has_more})


async def read(made: Reads, after: str | None = None) -> list[Slice]:
    collection = made.context.catalog.resolve("tax_id")
    extractor = ObjectExtractor(made.context, collection)
    request = ListRequest("/v1/tax_ids")
    reader = ListReader(made.context.requester, collection, request, extractor, complete=True)
    return [each async for each in cursor_list(reader, after)]


def names(slices: list[Slice]) -> list[list[str]]:
    return [[item.id for item in each.items] for each in slices]


async def test_each_page_is_a_slice_with_the_cursor_of_the_next() -> None:
    async with reads(page("a", "b", has_more=True), page("c")) as made:
        slices = await read(made)
    assert names(slices) == [["a", "b"], ["c"]]
    assert [each.cursor for each in slices] == [{"after": "b"}, None]
    assert slices[0].items[0].created == 5
    assert slices[0].items[0].observations[0].upstream_id == "a"


async def test_a_run_resumes_after_a_cursor() -> None:
    async with reads(page("c")) as made:
        assert names(await read(made, after="b")) == [["c"]]
        assert "starting_after=b" in made.bench.server.requests[0].target


async def test_a_deleted_cursor_starts_over() -> None:
    async with reads(VANISHED, page("a"), page("never")) as made:
        assert names(await read(made, after="b")) == [["a"]]


async def test_an_empty_list_is_one_empty_slice() -> None:
    async with reads(page()) as made:
        [only] = await read(made)
    assert (only.items, only.cursor) == ([], None)
