"""An object that Stripe cannot return costs only itself, in every list that is filtered by time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_sync.catalog import load_catalog
from stripe_sync.client import Permit, Priority, StripeApi
from stripe_sync.errors import StripeUnavailable, UnusableAnswer
from stripe_sync.extract.extractors.source_objects import SourceObject
from stripe_sync.extract.lists.concurrent_ranges import WindowedList
from stripe_sync.extract.lists.pages import ListReader
from stripe_sync.extract.pagination import ListRequest, paginate
from stripe_sync.extract.requester import Requester
from stripe_sync.records import Observation
from unit.client.scripted_stripe import WaitlessClock

NOW = 1_793_000_000
REQUEST = ListRequest("/v1/customers", by_time=True, collection_id="stripe:customer")


class ListOfStripe:
    """A list with Stripe's rules, newest first, some of whose objects cannot be returned."""

    def __init__(self, created: Sequence[int], lost: Sequence[int] = (), largest: int = 100):
        times = sorted(created, reverse=True)
        self.objects = [{"id": f"cus_{n}", "created": at} for n, at in enumerate(times)]
        self.lost = {f"cus_{n}" for n in lost}
        self.largest = largest
        self.requests = 0

    async def permit(self, template: str, *, priority: Priority) -> Permit:
        return Permit()

    async def get_page(
        self, template: str, path_params: Any, params: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        self.requests += 1
        await asyncio.sleep(0)
        bounds, ids = params.get("created", {}), [o["id"] for o in self.objects]
        objects = self.objects
        if after := params.get("starting_after"):
            objects = objects[ids.index(after) + 1 :]
        if before := params.get("ending_before"):
            objects = objects[: ids.index(before)]
        first, last = bounds.get("gte", 0), bounds.get("lt", 1 << 40)
        objects = [o for o in objects if first <= cast("int", o["created"]) < last]
        limit = params["limit"]
        page = objects[-limit:] if before else objects[:limit]
        if any(o["id"] in self.lost for o in page):
            raise StripeUnavailable("GET /v1/customers: Stripe failed", status=500)
        if len(page) > self.largest:
            raise UnusableAnswer("GET /v1/customers: no whole answer")
        data = [{**o, "object": "customer"} for o in page]
        return {"object": "list", "data": data, "has_more": len(objects) > limit}


def requester(stripe: ListOfStripe) -> Requester:
    return Requester(cast("StripeApi", stripe), WaitlessClock(), Priority.LIVE)


def paginated(stripe: ListOfStripe) -> tuple[list[str], Requester]:
    made = requester(stripe)

    async def run() -> list[str]:
        return [o["id"] async for page in paginate(made, REQUEST) for o in page.objects]

    return asyncio.run(run()), made


def windowed(stripe: ListOfStripe) -> tuple[list[str], Requester]:
    made = requester(stripe)

    async def nothing(sources: Sequence[SourceObject]) -> list[list[Observation]]:
        return [[] for _ in sources]

    async def run() -> list[str]:
        customers = load_catalog().resolve("customer")
        reader = ListReader(made, customers, REQUEST, nothing, complete=False)
        slices = WindowedList(reader).slices()
        return [item.id async for each in slices for item in each.items]

    return asyncio.run(run()), made


Read = Callable[[ListOfStripe], tuple[list[str], Requester]]
readings = pytest.mark.parametrize("read", [paginated, windowed])


@readings
@given(
    st.lists(st.integers(NOW - 3_000, NOW), max_size=150, unique=True),
    st.sets(st.integers(0, 149), max_size=4),
    st.sampled_from([1, 7, 100]),
)
@settings(max_examples=40, deadline=None)
def test_all_other_objects_are_read_once(
    read: Read, created: list[int], lost: set[int], largest: int
) -> None:
    stripe = ListOfStripe(created, sorted(lost), largest)
    found, made = read(stripe)
    there = stripe.lost & {cast("str", o["id"]) for o in stripe.objects}
    assert sorted(found) == sorted(o["id"] for o in stripe.objects if o["id"] not in stripe.lost)
    aside = made.set_aside.take(())
    assert len(aside) == len(there)
    lines = " ".join(each.reason for each in aside)
    assert lines.count("Stripe cannot return the object of /v1/customers") == len(there)


@readings
def test_objects_of_the_same_second_are_read(read: Read) -> None:
    stripe = ListOfStripe([NOW] * 3 + [NOW - 5] * 7 + [NOW - 9] * 2, lost=[6])
    found, _ = read(stripe)
    assert sorted(found) == sorted(f"cus_{n}" for n in range(12) if n != 6)


@readings
def test_an_outage_is_no_lost_object(read: Read) -> None:
    class Down(ListOfStripe):
        async def get_page(self, *_: Any, **__: Any) -> dict[str, Any]:
            raise StripeUnavailable("GET /v1/customers: Stripe failed", status=503)

    with pytest.raises(StripeUnavailable):
        read(Down([NOW]))


def test_a_known_object_costs_few_requests() -> None:
    stripe = ListOfStripe(range(NOW - 50, NOW), lost=[0])
    made = requester(stripe)

    async def run() -> int:
        before = stripe.requests
        found = [o async for page in paginate(made, REQUEST) for o in page.objects]
        assert len(found) == 49
        return stripe.requests - before

    first, second = asyncio.run(run()), asyncio.run(run())
    assert second < first / 2
