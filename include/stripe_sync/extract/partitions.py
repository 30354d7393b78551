"""Walks: one way through the objects of a collection, resumable, handing on what is harvested.

The objects come from Stripe's lists or, where this sync holds all of them already, out of the
warehouse, which costs no request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from stripe_sync.catalog import Collection, ListCall
from stripe_sync.errors import EndpointRetired, InvalidRequest, PermissionDenied
from stripe_sync.extract.pages import PAGE_SIZE, Item
from stripe_sync.extract.source_objects import RecordExtractor, Requester, SourceObject
from stripe_sync.extract.windows import CursorList, Reader, Slice, WindowedList
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.session import Session
from stripe_sync.warehouse import Condition

log = logging.getLogger(__name__)

PIECE = 100
"""Stored objects that are looked at together."""

COMPLETE = ("done", "empty")
"""Statuses of collections of which the warehouse holds everything."""

TEST_CLOCKS = "/v1/test_helpers/test_clocks"

ReaderOf = Callable[[ListCall, Mapping[str, str]], Reader]
"""Makes a reader of a list with further parameters."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One way through some objects.

    Attributes:
        key: Tells it from the other walks of the collection; part of stored positions.
        slices: Makes a run of it, from a position on.
    """

    key: str
    slices: Callable[[JsonObject | None], AsyncGenerator[Slice, None]]


def listed(
    row: Collection,
    reader_of: ReaderOf,
    *,
    since: int | None,
    params: Mapping[str, str] | None = None,
) -> list[Partition]:
    """Walks through Stripe's own lists of a collection, one for each variant.

    Args:
        row: The collection.
        reader_of: Makes a reader of one of its lists.
        since: Unix seconds; leave out objects created earlier, where the list can.
        params: Further filters.
    """
    return [
        _list(call, reader_of, {**variant, **(params or {})}, since)
        for call in row.lists
        if call.parent is None
        for variant in call.variants or ({},)
    ]


async def of_test_clocks(session: Session, row: Collection, reader_of: ReaderOf) -> list[Partition]:
    """Walks through what belongs to test clocks, which the bare list hides.

    Args:
        session: The open sync.
        row: The collection.
        reader_of: Makes a reader of one of its lists.
    """
    calls = [call for call in row.lists if call.test_clocks and call.parent is None]
    if not calls or session.sync.livemode:
        return []
    try:
        clocks = await _ids(session, TEST_CLOCKS, {})
        owners = {"test_clock": clocks}
        if any(call.test_clocks == "customer" for call in calls):
            owners["customer"] = [
                name
                for clock in clocks
                for name in await _ids(session, "/v1/customers", {"test_clock": clock})
            ]
    except (PermissionDenied, EndpointRetired) as error:
        log.warning("%s: what belongs to test clocks is left out: %s", row.id, error)
        return []
    return [
        _list(call, reader_of, {str(call.test_clocks): owner}, None)
        for call in calls
        for owner in sorted(owners[str(call.test_clocks)])
    ]


def stored(
    session: Session,
    row: Collection,
    extractor: RecordExtractor,
    *,
    fields: Sequence[str] = (),
    condition: Condition | None = None,
) -> Partition:
    """A walk through the stored objects of a collection.

    Args:
        session: The open sync.
        row: The collection.
        extractor: What is made of its objects.
        fields: Top-level fields that the harvest looks at; none for all.
        condition: Leave out objects for which it does not hold.
    """

    async def slices(position: JsonObject | None) -> AsyncGenerator[Slice, None]:
        after = position["after"] if position else ""
        while True:
            found = await asyncio.to_thread(
                session.warehouse.records.page,
                session.sync.id,
                row.id,
                after=after,
                limit=PIECE,
                fields=fields,
                condition=condition,
            )
            shown = [
                SourceObject(each.payload, each.observed_at, each.api_version, each.upstream_id)
                for each in found
            ]
            observations = await extractor(shown)
            items = [
                Item(each.id, None, tuple(own))
                for each, own in zip(shown, observations, strict=True)
            ]
            after = shown[-1].id if shown else after
            more = len(found) == PIECE
            yield Slice(items, {"after": after} if more else None)
            if not more:
                return

    return Partition(f"stored {row.name}", slices)


def holds_all(session: Session, row: Collection) -> bool:
    """Whether the warehouse holds every object of a collection."""
    if row.parent_only:
        return False
    state = session.warehouse.collections.state(session.sync.id, row.id)
    if state is None or state.status not in COMPLETE:
        return False
    return (state.position or {}).get("bound") is None


async def run(
    walks: Sequence[Partition], position: JsonObject, instead: Sequence[Partition] = ()
) -> AsyncGenerator[Slice, None]:
    """Run walks one after the other.

    Args:
        walks: The walks.
        position: Where an earlier run stopped (``Slice.position``), empty for the beginning.
        instead: Walks to run where Stripe refuses the first of the others.

    Raises:
        StripeError: As the client raises it; what was handed on before stays valid.
    """
    if any(walk.key == position.get("walk") for walk in instead):
        walks, instead = instead, ()
    keys = [walk.key for walk in walks]
    begun = position.get("walk") in keys
    first = keys.index(position["walk"]) if begun else 0
    first += bool(begun and position.get("ended"))
    for number, walk in enumerate(walks[first:], first):
        resume = position.get("list") if begun and number == first else None
        pieces = walk.slices(resume)
        try:
            async for piece in pieces:
                after: JsonObject = {"walk": walk.key, "list": piece.position}
                if piece.position is None:
                    after = {"walk": walk.key, "ended": True}
                yield Slice(piece.items, after, piece.covered)
        except (InvalidRequest, EndpointRetired) as error:
            if number or not instead:
                raise
            log.info("Stripe refuses the list, so it is walked in another way: %s", error)
            async for piece in run(instead, {}):
                yield piece
            return
        finally:
            await pieces.aclose()


def _list(
    call: ListCall, reader_of: ReaderOf, params: Mapping[str, str], since: int | None
) -> Partition:
    reader = reader_of(call, params)

    def slices(position: JsonObject | None) -> AsyncGenerator[Slice, None]:
        if call.created_filter:
            return WindowedList(reader, since=since, position=position).slices()
        return CursorList(reader, position=position).slices()

    query = urlencode({**call.params, **params})
    return Partition(f"{call.path}?{query}" if query else call.path, slices)


async def _ids(session: Session, path: str, params: Mapping[str, str]) -> list[str]:
    """Ids of everything that a list shows."""
    requester = Requester(session.api, session.clock)
    found: list[str] = []
    while True:
        cursor = {"starting_after": found[-1]} if found else {}
        page = await requester.get(path, None, {**params, **cursor, "limit": PAGE_SIZE})
        found += [obj["id"] for obj in page["data"]]
        if not page["has_more"] or not page["data"]:
            return found
