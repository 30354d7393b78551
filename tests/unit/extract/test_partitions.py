"""Reading partitions: order, cursors, and fallbacks where Stripe refuses the first."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from stripe_sync.errors import EndpointUnavailable, InvalidRequest, StripeError, StripeUnavailable
from stripe_sync.extract.lists.concurrent_ranges import Slice
from stripe_sync.extract.lists.pages import Item
from stripe_sync.extract.partitions import Partition, read_partitions
from stripe_sync.extract.refusals import REFUSED, Refusals
from stripe_sync.records.canonical_json import JsonObject

pytestmark = pytest.mark.anyio


def partition(key: str, count: int, refusal: StripeError | None = None) -> Partition:
    """A partition of as many slices, each with one item that is named after its place."""

    async def slices(cursor: JsonObject | None) -> AsyncGenerator[Slice, None]:
        first = cursor["after"] + 1 if cursor else 0
        if refusal:
            raise refusal
        for number in range(first, count):
            last = number == count - 1
            yield Slice([Item(f"{key}{number}", None, ())], None if last else {"after": number})

    return Partition(key, slices)


async def read(
    partitions: list[Partition],
    cursor: JsonObject | None = None,
    fallback: list[Partition] | None = None,
    refusals: Refusals | None = None,
) -> list[tuple[str, Any]]:
    """Names of the items, with the cursor after each."""
    refusals = Refusals() if refusals is None else refusals
    return [
        (item.id, each.cursor)
        async for each in read_partitions(partitions, cursor, fallback or [], refusals=refusals)
        for item in each.items
    ]


def names(found: list[tuple[str, Any]]) -> list[str]:
    return [name for name, _ in found]


async def test_partitions_are_read_one_after_the_other() -> None:
    assert names(await read([partition("a", 2), partition("b", 1)])) == ["a0", "a1", "b0"]


async def test_every_cursor_resumes_after_its_slice() -> None:
    partitions = [partition("a", 2), partition("b", 2)]
    whole = await read(partitions)
    for number, (_, cursor) in enumerate(whole):
        assert names(await read(partitions, cursor)) == names(whole[number + 1 :])


async def test_a_cursor_in_a_partition_that_exists_no_more_starts_over() -> None:
    cursor = {"partition": "stored customer", "list": {"after": 1}}
    assert names(await read([partition("a", 2)], cursor)) == ["a0", "a1"]


@pytest.mark.parametrize("kind", [InvalidRequest, EndpointUnavailable])
async def test_the_fallback_of_a_refused_list_is_read_and_resumed(kind: type[StripeError]) -> None:
    partitions = [partition("a", 2, kind("no")), partition("b", 1)]
    fallback = [partition("c", 2), partition("d", 1)]
    found = await read(partitions, fallback=fallback)
    assert names(found) == ["c0", "c1", "d0"]
    assert names(await read(partitions, found[0][1], fallback)) == ["c1", "d0"]


async def test_a_refusal_without_a_fallback_is_raised() -> None:
    with pytest.raises(InvalidRequest):
        await read([partition("a", 1, InvalidRequest("no"))])


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_refused_partition_costs_only_itself(kind: type[StripeError], number: int) -> None:
    partitions = [partition("a", 1), partition("b", 1), partition("c", 1)]
    key = partitions[number].key
    partitions[number] = partition(key, 1, kind("no"))
    refusals = Refusals()
    found = names(await read(partitions, refusals=refusals))
    assert found == [f"{each}0" for each in "abc" if each != key]
    assert refusals.lists() == {key}
    assert refusals.message == f"in part: without {key}: no"


async def test_partitions_that_are_all_refused_are_raised() -> None:
    partitions = [partition("a", 1, InvalidRequest("no")), partition("b", 1, InvalidRequest("no"))]
    with pytest.raises(InvalidRequest):
        await read(partitions)


async def test_an_outage_is_no_refusal() -> None:
    partitions = [partition("a", 1, StripeUnavailable("down")), partition("b", 1)]
    with pytest.raises(StripeUnavailable):
        await read(partitions)


async def test_a_later_partition_has_no_fallback() -> None:
    partitions = [partition("a", 1), partition("b", 1, InvalidRequest("no"))]
    assert names(await read(partitions, fallback=[partition("c", 1)])) == ["a0"]
