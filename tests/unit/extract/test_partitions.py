"""Running walks: order, going on, and other ways where Stripe refuses the first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from stripe_sync.errors import EndpointRetired, InvalidRequest, StripeError
from stripe_sync.extract.pages import Item
from stripe_sync.extract.partitions import Partition, run
from stripe_sync.extract.windows import Slice
from stripe_sync.records.canonical_json import JsonObject


def walk(key: str, slices: int, refusal: StripeError | None = None) -> Partition:
    """A walk that hands on so many slices of one item, named after its place."""

    async def pieces(position: JsonObject | None) -> AsyncGenerator[Slice, None]:
        first = position["after"] + 1 if position else 0
        if refusal:
            raise refusal
        for number in range(first, slices):
            last = number == slices - 1
            yield Slice([Item(f"{key}{number}", None, ())], None if last else {"after": number})

    return Partition(key, pieces)


def read(
    walks: list[Partition],
    position: JsonObject | None = None,
    instead: list[Partition] | None = None,
) -> list[tuple[str, Any]]:
    async def all_of_it() -> list[tuple[str, Any]]:
        found = []
        async for piece in run(walks, position or {}, instead or []):
            found += [(item.id, piece.position) for item in piece.items]
        return found

    return asyncio.run(all_of_it())


def names(found: list[tuple[str, Any]]) -> list[str]:
    return [name for name, _ in found]


def test_walks_follow_each_other() -> None:
    assert names(read([walk("a", 2), walk("b", 1)])) == ["a0", "a1", "b0"]


def test_goes_on_after_any_slice() -> None:
    walks = [walk("a", 2), walk("b", 2)]
    whole = read(walks)
    for number, (_, position) in enumerate(whole):
        assert names(read(walks, position)) == names(whole[number + 1 :])


def test_a_position_in_a_walk_that_is_no_more_begins_anew() -> None:
    position = {"walk": "stored customer", "list": {"after": 1}}
    assert names(read([walk("a", 2)], position)) == ["a0", "a1"]


@pytest.mark.parametrize("kind", [InvalidRequest, EndpointRetired])
def test_a_refused_list_is_read_in_another_way(kind: type[StripeError]) -> None:
    walks, instead = [walk("a", 2, kind("no")), walk("b", 1)], [walk("c", 2), walk("d", 1)]
    found = read(walks, instead=instead)
    assert names(found) == ["c0", "c1", "d0"]
    assert names(read(walks, found[0][1], instead)) == ["c1", "d0"]


def test_a_refusal_without_another_way_is_raised() -> None:
    with pytest.raises(InvalidRequest):
        read([walk("a", 1, InvalidRequest("no"))])
    with pytest.raises(InvalidRequest):
        read([walk("a", 1), walk("b", 1, InvalidRequest("no"))], instead=[walk("c", 1)])
