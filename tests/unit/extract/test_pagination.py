"""Reading a list page by page: cursors, the end, cursors that no longer exist."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from stripe_sync.client import Priority
from stripe_sync.errors import CursorVanished
from stripe_sync.extract.pagination import ListPage, ListRequest, paginate
from stripe_sync.extract.requester import Requester
from unit.client.scripted_stripe import Answer, Bench, error, found, scripted

pytestmark = pytest.mark.anyio

CUSTOMERS = ListRequest("/v1/customers")
VANISHED = error(400, code="resource_missing", param="starting_after", message="No such customer")
EXPIRED = error(400, message="… because it has aged out of our retention policy")


def page(*names: str, has_more: bool = False) -> Answer:
    return found({"object": "list", "data": [{"id": name} for name in names], "has_more": has_more})


async def read(
    bench: Bench, request: ListRequest = CUSTOMERS, after: str | None = None
) -> list[ListPage]:
    requester = Requester(bench.api, bench.clock, Priority.LIVE)
    return [page async for page in paginate(requester, request, after=after)]


def names(pages: list[ListPage]) -> list[list[str]]:
    return [[obj["id"] for obj in page.objects] for page in pages]


def queries(bench: Bench) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(request.target).query) for request in bench.server.requests]


async def test_each_page_continues_after_the_last_object_of_the_one_before() -> None:
    async with scripted(page("a", "b", has_more=True), page("c")) as bench:
        pages = await read(bench)
    assert names(pages) == [["a", "b"], ["c"]]
    assert [page.has_more for page in pages] == [True, False]
    assert queries(bench) == [{"limit": ["100"]}, {"limit": ["100"], "starting_after": ["b"]}]
    assert bench.rate_limiter.acquired == [("GET /v1/customers", Priority.LIVE)] * 2


async def test_filters_expansions_version_and_path_go_with_every_page() -> None:
    request = ListRequest(
        "/v1/customers/{customer}/tax_ids",
        {"customer": "cus_1"},
        {"created": {"gte": 5}},
        ("owner",),
        "2020-08-27",
        page_size=None,
    )
    async with scripted(page("a", has_more=True), page("b")) as bench:
        await read(bench, request)
    first, second = queries(bench)
    assert first == {"created[gte]": ["5"], "expand[0]": ["data.owner"]}
    assert second == {**first, "starting_after": ["a"]}
    for sent in bench.server.requests:
        assert urlsplit(sent.target).path == "/v1/customers/cus_1/tax_ids"
        assert sent.headers["Stripe-Version"] == "2020-08-27"


async def test_an_empty_page_is_the_end_whatever_has_more_is() -> None:
    async with scripted(page("a", has_more=True), page(has_more=True)) as bench:
        pages = await read(bench)
    assert names(pages) == [["a"], []]
    assert not pages[-1].has_more


async def test_a_deleted_cursor_restarts_the_list() -> None:
    script = page("a", "b", has_more=True), VANISHED, page("a", has_more=True), page("c")
    async with scripted(*script) as bench:
        pages = await read(bench)
    assert names(pages) == [["a", "b"], ["a"], ["c"]]
    assert [page.restarted for page in pages] == [False, True, False]
    assert [query.get("starting_after") for query in queries(bench)] == [None, ["b"], None, ["a"]]


async def test_a_given_cursor_that_was_deleted_restarts_the_list() -> None:
    async with scripted(VANISHED, page("a")) as bench:
        [only] = await read(bench, after="b")
    assert (names([only]), only.restarted) == ([["a"]], True)


async def test_a_refused_cursor_that_was_not_sent_is_an_error() -> None:
    async with scripted(VANISHED) as bench:
        with pytest.raises(CursorVanished):
            await read(bench)


async def test_a_stripe_event_beyond_retention_ends_the_list() -> None:
    async with scripted(page("evt_1", has_more=True), EXPIRED) as bench:
        pages = await read(bench, ListRequest("/v1/events"))
    assert names(pages) == [["evt_1"], []]
    assert not pages[-1].has_more
