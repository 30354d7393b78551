"""The order, completeness and cost of reading a list by time segments."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_sync.client import Permit
from stripe_sync.errors import CursorVanished
from stripe_sync.extract.lists.concurrent_ranges import (
    IN_FLIGHT,
    SEGMENT_PAGES,
    Slice,
    WindowedList,
)
from stripe_sync.extract.lists.created_ranges import MAX_PARTS
from stripe_sync.extract.lists.page_size import PAGE_SIZE
from stripe_sync.extract.lists.pages import Item, Page

NOW = 1_790_000_000
YEAR = 31_536_000


class ListInMemory:
    """A list with Stripe's rules: newest first, bounds on created, cursors by id."""

    def __init__(
        self, created: list[int], *, shuffle_answers: int | None = None, item_bytes: int = 1_000
    ) -> None:
        pairs = sorted(enumerate(created), key=lambda pair: (pair[1], pair[0]), reverse=True)
        self.items = [Item(f"obj_{index}", at, None) for index, at in pairs]  # type: ignore[arg-type]
        self._ages = [-at for _, at in pairs]
        self._index = {item.id: index for index, item in enumerate(self.items)}
        self.removed: set[str] = set()
        self.item_bytes = item_bytes
        self.requests = 0
        self.buffered = 0
        self.peak = 0
        self._random = random.Random(shuffle_answers) if shuffle_answers is not None else None

    async def permit(self) -> Permit:
        if self._random:
            for _ in range(self._random.randrange(4)):
                await asyncio.sleep(0)
        return Permit()

    async def read(
        self, params: dict[str, Any], permit: Permit | None = None, *, reached: int | None = None
    ) -> Page:
        self.requests += 1
        if self._random:
            for _ in range(self._random.randrange(4)):
                await asyncio.sleep(0)
        bounds = params.get("created", {})
        first = bisect_right(self._ages, -bounds["lt"]) if "lt" in bounds else 0
        last = bisect_right(self._ages, -bounds["gte"]) if "gte" in bounds else len(self._ages)
        if after := params.get("starting_after"):
            index = self._index[after]
            if after in self.removed or not first <= index < last:
                raise CursorVanished("gone", status=400)
            first = index + 1
        found = [i for i in self.items[first : min(last, first + 300)] if i.id not in self.removed]
        self.buffered += len(found[:PAGE_SIZE])
        self.peak = max(self.peak, self.buffered)
        page = found[:PAGE_SIZE]
        return Page(page, len(found) > PAGE_SIZE, len(page) * self.item_bytes)


def read_all(source: ListInMemory, **options: Any) -> list[Slice]:
    async def collect() -> list[Slice]:
        found = []
        async for each in WindowedList(source, **options).slices():
            source.buffered -= len(each.items)
            found.append(each)
        return found

    return asyncio.run(collect())


def items_of(slices: list[Slice]) -> list[Item]:
    return [item for each in slices for item in each.items]


def uniform(count: int, years: int = 2) -> list[int]:
    return [NOW - years * YEAR + index * years * YEAR // count for index in range(count)]


bursts = st.lists(
    st.tuples(
        st.integers(NOW - 8 * YEAR, NOW),
        st.integers(1, 1200),
        st.sampled_from([0, 1, 60, 86_400, YEAR]),
    ),
    max_size=5,
)


@given(bursts, st.integers(0, 1000), st.sampled_from([1, 3, 12]))
@settings(max_examples=60, deadline=None)
def test_every_object_is_emitted_once_and_oldest_first(
    shape: list[tuple[int, int, int]], seed: int, in_flight: int
) -> None:
    rng = random.Random(seed)
    created = [at + rng.randint(0, width) for at, count, width in shape for _ in range(count)]
    source = ListInMemory(created, shuffle_answers=seed)
    found = items_of(read_all(source, in_flight=in_flight))
    assert [item.created for item in found] == sorted(created)
    assert len({item.id for item in found}) == len(created)


@given(bursts, st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_any_cursor_resumes_with_exactly_the_rest(
    shape: list[tuple[int, int, int]], seed: int
) -> None:
    rng = random.Random(seed)
    created = [at + rng.randint(0, width) for at, count, width in shape for _ in range(count)]
    source = ListInMemory(created)
    slices = read_all(source)
    for number, each in enumerate(slices):
        if each.cursor is None:
            continue
        rest = items_of(read_all(source, cursor=each.cursor))
        assert {i.id for i in rest} == {i.id for i in items_of(slices[number + 1 :])}


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 500])
def test_a_short_list_costs_no_request_too_many(count: int) -> None:
    source = ListInMemory(uniform(count))
    assert len(items_of(read_all(source))) == count
    assert source.requests <= max(1, ceil(count / PAGE_SIZE)) + (count > 0 and count % 100 == 0)


@pytest.mark.parametrize("count", [600, 1_000, 2_500])
def test_a_list_of_some_pages_costs_at_most_one_empty_page_per_part(count: int) -> None:
    source = ListInMemory(uniform(count))
    assert len(items_of(read_all(source))) == count
    assert source.requests <= ceil(count / PAGE_SIZE) + MAX_PARTS


def test_large_objects_make_small_segments_rather_than_much_memory() -> None:
    source = ListInMemory(uniform(40_000), item_bytes=10_000)
    slices = read_all(source, buffered_bytes=40_000_000)
    assert len(items_of(slices)) == 40_000
    assert source.peak <= 4_000 + (IN_FLIGHT + 1) * PAGE_SIZE
    assert max(len(each.items) for each in slices) < 1_000


@pytest.mark.parametrize("years", [1, 10])
def test_a_long_list_costs_few_requests_too_many(years: int) -> None:
    source = ListInMemory(uniform(40_000, years))
    assert len(items_of(read_all(source))) == 40_000
    assert source.requests <= 1.10 * 400


def test_a_skewed_list_costs_few_requests_too_many() -> None:
    burst = [NOW - YEAR + index * 300_000 // 36_000 for index in range(36_000)]
    source = ListInMemory(uniform(4_000) + burst)
    assert len(items_of(read_all(source))) == 40_000
    assert source.requests <= 1.15 * 400


def in_bursts(seed: int, bursts: int, count: int, seconds: int, spread: int = 0) -> list[int]:
    """Objects in bursts at any times of eight years, and some that are spread over five."""
    rng = random.Random(seed)
    starts = [rng.randint(NOW - 8 * YEAR, NOW) for _ in range(bursts)]
    created = [at + rng.randint(0, seconds) for at in starts for _ in range(count)]
    return created + uniform(spread, 5)


BURSTY = {
    "a second": (1, 5_000, 0, 0),
    "a second among few": (1, 5_000, 0, 300),
    "a second among many": (1, 5_000, 0, 20_000),
    "some seconds, nothing else": (5, 5_000, 0, 0),
    "some seconds among others": (8, 5_000, 0, 10_000),
    "small seconds": (60, 250, 0, 5_000),
    "hours": (20, 1_000, 3_600, 0),
    "days": (20, 2_000, 86_400, 5_000),
    "months": (3, 10_000, 2_592_000, 0),
    "imports": (3, 8_000, 600, 12_000),
}
"""Number of bursts, objects and seconds of each, objects beside them."""


@pytest.mark.parametrize("shape", BURSTY.values(), ids=BURSTY.keys())
def test_bursts_and_empty_years_cost_few_requests_too_many(
    shape: tuple[int, int, int, int],
) -> None:
    """On average: the order in which answers come decides on a few requests."""
    requests = minimum = 0
    for seed in range(4):
        created = in_bursts(seed, *shape)
        source = ListInMemory(created, shuffle_answers=seed)
        assert len(items_of(read_all(source))) == len(created)
        requests += source.requests
        minimum += ceil(len(created) / PAGE_SIZE)
    assert requests <= 1.05 * minimum


@pytest.mark.parametrize("shape", ["growing", "daily", "monthly"])
def test_a_list_whose_density_changes_costs_few_requests_too_many(shape: str) -> None:
    rng = random.Random(1)
    created = {
        "growing": [int(NOW - 6 * YEAR * (1 - rng.random()) ** 3) for _ in range(60_000)],
        "daily": [NOW - n // 100 * 86_400 - rng.randint(0, 3_600) for n in range(60_000)],
        "monthly": [NOW - n // 1_500 * 2_592_000 - rng.randint(0, 1_800) for n in range(60_000)],
    }[shape]
    source = ListInMemory(created, shuffle_answers=1)
    assert len(items_of(read_all(source))) == 60_000
    assert source.requests <= 1.05 * 600


def test_many_objects_in_one_second_are_not_buffered_at_once() -> None:
    source = ListInMemory([NOW] * 50_000 + uniform(2_000))
    slices = read_all(source, buffered=4_000)
    assert len(items_of(slices)) == 52_000
    assert source.peak <= 4_000 + (IN_FLIGHT + 1) * PAGE_SIZE
    assert source.requests <= 1.05 * 520


def test_the_buffer_is_bounded() -> None:
    source = ListInMemory(uniform(60_000))
    read_all(source, buffered=4_000)
    assert source.peak <= 4_000 + (IN_FLIGHT + 1) * PAGE_SIZE


def test_no_more_segments_are_begun_than_the_permits_allow_to_read_at_a_time() -> None:
    class Limited(ListInMemory):
        """Three requests at a time, each taking a while."""

        permits = asyncio.Semaphore(3)

        async def permit(self) -> Permit:
            await self.permits.acquire()
            return Permit()

        async def read(
            self,
            params: dict[str, Any],
            permit: Permit | None = None,
            *,
            reached: int | None = None,
        ) -> Page:
            for _ in range(10):
                await asyncio.sleep(0)
            self.permits.release()
            return await super().read(params, permit)

    source = Limited(uniform(100_000))
    assert len(items_of(read_all(source))) == 100_000
    assert source.peak <= 6 * SEGMENT_PAGES * PAGE_SIZE


def test_since_leaves_out_what_is_older() -> None:
    created = uniform(3_000)
    bound = created[1_700]
    found = items_of(read_all(ListInMemory(created), since=bound))
    assert [item.created for item in found] == [at for at in created if at >= bound]


def test_a_cursor_whose_object_was_deleted_loses_nothing() -> None:
    class Vanishing(ListInMemory):
        async def read(
            self,
            params: dict[str, Any],
            permit: Permit | None = None,
            *,
            reached: int | None = None,
        ) -> Page:
            after = params.get("starting_after")
            if after and self.requests % 7 == 3:
                self.removed.add(after)
            return await super().read(params, permit)

    source = Vanishing(uniform(6_000))
    found = {item.id for item in items_of(read_all(source))}
    assert found >= {item.id for item in source.items} - source.removed


def test_an_error_ends_the_reading_and_leaves_no_request_behind() -> None:
    class Failing(ListInMemory):
        async def read(
            self,
            params: dict[str, Any],
            permit: Permit | None = None,
            *,
            reached: int | None = None,
        ) -> Page:
            if self.requests == 20:
                raise ConnectionError("no network")
            return await super().read(params, permit)

    async def collect() -> None:
        async for _ in WindowedList(Failing(uniform(20_000))).slices():
            pass
        pytest.fail("the error was swallowed")

    async def main() -> int:
        with pytest.raises(ConnectionError):
            await collect()
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1
