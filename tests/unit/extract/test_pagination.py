"""Reading a list page by page: cursors, the end, cursors that no longer exist."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from stripe_sync.client import Priority, RetryPolicy
from stripe_sync.errors import CursorVanished, NoProgress, StripeUnavailable, UnusableAnswer
from stripe_sync.extract.lists.page_size import PageSize
from stripe_sync.extract.pagination import ListPage, ListRequest, paginate
from stripe_sync.extract.refusals import Refusals
from stripe_sync.extract.requester import Requester
from unit.client.scripted_stripe import RESET, Answer, Bench, error, found, scripted

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


async def test_an_empty_page_that_claims_to_have_more_is_asked_for_again() -> None:
    async with scripted(page("a", has_more=True), page(has_more=True), page("b")) as bench:
        pages = await read(bench)
    assert names(pages) == [["a"], ["b"]]


@pytest.mark.parametrize(
    "wrong",
    [
        b"{}",
        b"[]",
        b"null",
        b'{"error": {"type": "api_error", "message": "Sorry"}}',
        b'{"object": "list", "data": null, "has_more": false}',
        b'{"object": "list", "data": {}, "has_more": false}',
        b'{"object": "list", "data": []}',
        b'{"object": "list", "data": [], "has_more": null}',
        b'{"object": "list", "data": [], "has_more": "false"}',
        b'{"object": "list", "data": [], "has_more": true}',
        b'{"object": "list", "data": [{"id": "a',
        b"<html>",
    ],
)
async def test_an_answer_that_is_no_page_did_not_come(wrong: bytes) -> None:
    async with scripted(Answer(200, wrong), page("a")) as bench:
        assert names(await read(bench)) == [["a"]]
    async with scripted(Answer(200, wrong)) as bench:
        with pytest.raises(UnusableAnswer, match="GET /v1/customers: no whole answer from"):
            await read(bench)


@pytest.mark.parametrize("trouble", [error(500), error(503), Answer(200, b"{"), RESET])
async def test_a_page_that_does_not_arrive_is_asked_for_with_half_the_limit(
    trouble: Answer,
) -> None:
    script = page("a", has_more=True), trouble, trouble, trouble, page("b", has_more=True)
    async with scripted(*script, page("c", has_more=True), page("d")) as bench:
        pages = await read(bench)
    assert names(pages) == [["a"], ["b"], ["c"], ["d"]]
    sent = [(query.get("starting_after", [""])[0], query["limit"][0]) for query in queries(bench)]
    assert sent == [
        ("", "100"),
        ("a", "100"),
        ("a", "50"),
        ("a", "25"),
        ("a", "12"),
        ("b", "24"),
        ("c", "48"),
    ]


async def test_the_limit_goes_down_to_one_and_grows_again() -> None:
    troubles = [error(500)] * 6
    pages = [page(str(number), has_more=number < 8) for number in range(9)]
    async with scripted(*troubles, *pages) as bench:
        await read(bench)
    limits = [int(query["limit"][0]) for query in queries(bench)]
    assert limits == [100, 50, 25, 12, 6, 3, 1, 2, 4, 8, 16, 32, 64, 100, 100]


async def test_a_single_object_that_does_not_arrive_is_retried_then_an_error() -> None:
    async with scripted(error(500), retry=RetryPolicy(attempts=3)) as bench:
        with pytest.raises(StripeUnavailable):
            await read(bench)
    limits = [int(query["limit"][0]) for query in queries(bench)]
    assert limits == [100, 50, 25, 12, 6, 3, 1, 1, 1]


COLLECTION = ListRequest("/v1/customers", collection_id="stripe:customer")
OF_ONE_OBJECT = ListRequest(
    "/v1/customers/{customer}/tax_ids", {"customer": "cus_1"}, collection_id="stripe:tax_id"
)
FAILING = [error(500)] * 9
"""All sizes of a page down to one object, and that three times."""


async def test_the_rest_of_a_list_that_does_not_arrive_is_left_out_and_named() -> None:
    script = page("a", has_more=True), *FAILING, found({"object": "balance"})
    async with scripted(*script, retry=RetryPolicy(attempts=3)) as bench:
        requester = Requester(bench.api, bench.clock)
        pages = [page async for page in paginate(requester, COLLECTION)]
    assert names(pages) == [["a"], []]
    assert "without the objects after a of /v1/customers: " in str(requester.refusals.message)


@pytest.mark.parametrize("request_", [OF_ONE_OBJECT, CUSTOMERS], ids=["child list", "cut list"])
async def test_the_list_of_one_object_is_never_taken_for_whole(request_: ListRequest) -> None:
    script = page("a", has_more=True), *FAILING, found({"object": "balance"})
    async with scripted(*script, retry=RetryPolicy(attempts=3)) as bench:
        requester = Requester(bench.api, bench.clock)
        with pytest.raises(StripeUnavailable):
            _ = [page async for page in paginate(requester, request_)]


async def test_a_caller_that_tries_again_soon_gets_the_error_of_the_rest_of_a_list() -> None:
    async with scripted(page("a", has_more=True), *FAILING, retry=RetryPolicy(attempts=3)) as bench:
        requester = Requester(bench.api, bench.clock, refusals=Refusals(final_only=True))
        with pytest.raises(StripeUnavailable):
            _ = [page async for page in paginate(requester, COLLECTION)]


async def test_a_list_does_not_end_while_stripe_does_not_answer() -> None:
    async with scripted(
        page("a", has_more=True), error(500), retry=RetryPolicy(attempts=3)
    ) as bench:
        requester = Requester(bench.api, bench.clock)
        with pytest.raises(StripeUnavailable):
            _ = [page async for page in paginate(requester, COLLECTION)]
    assert requester.refusals.message is None


async def test_a_size_that_fails_again_waits_for_more_pages() -> None:
    size = PageSize()
    size.shrink(100)
    size.grow(50)
    assert size.limit == 100
    size.shrink(100)
    size.grow(50)
    assert size.limit == 50
    size.grow(50)
    assert size.limit == 100


async def test_a_server_that_ignores_cursors_is_an_error_and_no_loop() -> None:
    async with scripted(page("a", "b", has_more=True)) as bench:
        with pytest.raises(NoProgress, match="the page after b begins before it"):
            await read(bench)
    assert len(bench.server.requests) == 2


async def test_pages_that_come_again_are_an_error_and_no_loop() -> None:
    first, second = page("a", has_more=True), page("b", has_more=True)
    async with scripted(first, second, first, second) as bench:
        with pytest.raises(NoProgress, match="the pages up to a come again"):
            await read(bench)


async def test_a_page_without_any_id_is_an_error_and_no_loop() -> None:
    odd = found({"object": "list", "data": [{"object": "customer"}, None, 5], "has_more": True})
    async with scripted(odd) as bench:
        with pytest.raises(NoProgress, match="no object of a page has an id"):
            await read(bench)


async def test_a_list_whose_cursors_vanish_each_time_is_an_error_and_no_loop() -> None:
    async with scripted(*[page("a", has_more=True), VANISHED] * 50) as bench:
        with pytest.raises(CursorVanished):
            await read(bench)


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
