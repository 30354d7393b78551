"""Partitions: the parts that together are one collection, each resumable.

The objects of a partition come from one of Stripe's lists or, where all of them are stored already,
from the warehouse, which costs no request. A list with a ``created`` filter is read in concurrent
ranges: ``lists/concurrent_ranges.py``.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from stripe_sync.catalog import Collection, ListCall
from stripe_sync.errors import EndpointUnavailable, InvalidRequest, StripeError
from stripe_sync.extract.context import StoredRecords
from stripe_sync.extract.extractors.source_objects import (
    RecordExtractor,
    SourceObject,
    extract_each,
)
from stripe_sync.extract.lists.concurrent_ranges import Slice, WindowedList, cursor_list
from stripe_sync.extract.lists.pages import Item, ListReader
from stripe_sync.extract.pagination import ListRequest, id_of, paginate
from stripe_sync.extract.refusals import NO_ANSWER, REFUSED, Lack, Refusals
from stripe_sync.extract.requester import Requester
from stripe_sync.records import Condition
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.set_aside import SetAsideObjects

log = logging.getLogger(__name__)

STORED_OBJECTS = 100
"""Stored objects that are extracted from together."""

LONG_LISTS = 4
"""The same where each may have thousands of children, which are in memory together. Their lists are
read at the same time: at 0.15 s a request that is the rate that Stripe allows for an endpoint."""

TEST_CLOCKS = "/v1/test_helpers/test_clocks"


@dataclass(frozen=True, slots=True)
class Partition:
    """One part of a collection.

    Attributes:
        key: Unique within the collection; part of stored cursors.
        slices: Reads it from a cursor on, None for the beginning.
    """

    key: str
    slices: Callable[[JsonObject | None], AsyncGenerator[Slice, None]]


@dataclass(frozen=True, slots=True)
class Listing:
    """Partitions for the top-level lists of a collection.

    Attributes:
        requester: Sends the requests.
        collection: The collection.
        extractor: Applied to its objects.
        expand: Fields to expand in the objects.
        complete: Whether lists that the objects embed are completed first.
        api_version: Stripe-Version, None for the client's own.
    """

    requester: Requester
    collection: Collection
    extractor: RecordExtractor
    expand: tuple[str, ...] = ()
    complete: bool = False
    api_version: str | None = None

    def partitions(
        self, *, since: int | None = None, params: Mapping[str, str] | None = None
    ) -> list[Partition]:
        """One partition for each variant of each list.

        Args:
            since: Unix seconds; leave out objects created earlier, where the list can.
            params: Further filters.
        """
        return [
            self._partition(call, {**variant, **(params or {})}, since)
            for call in self.collection.lists
            if call.parent is None
            for variant in call.variants or ({},)
        ]

    async def test_clock_partitions(self) -> list[Partition]:
        """One partition for each test clock, or for each of their customers.

        Lists leave out the objects of test clocks unless a filter names the clock or customer.
        """
        calls = [call for call in self.collection.lists if call.test_clocks and not call.parent]
        if not calls:
            return []
        clocks = await self._ids(TEST_CLOCKS, {})
        owners = {"test_clock": clocks}
        if any(call.test_clocks == "customer" for call in calls):
            customers = [await self._ids("/v1/customers", {"test_clock": name}) for name in clocks]
            owners["customer"] = [name for names in customers for name in names]
        return [
            self._partition(call, {str(call.test_clocks): owner}, None)
            for call in calls
            for owner in sorted(owners[str(call.test_clocks)])
        ]

    def _partition(self, call: ListCall, params: Mapping[str, str], since: int | None) -> Partition:
        filters = {**call.params, **params}
        request = ListRequest(
            call.path,
            params=filters,
            expand=self.expand,
            api_version=self.api_version,
            by_time=call.created_filter,
            collection_id=self.collection.id,
        )
        reader = ListReader(self.requester, self.collection, request, self.extractor, self.complete)

        def slices(cursor: JsonObject | None) -> AsyncGenerator[Slice, None]:
            if call.created_filter:
                return WindowedList(reader, since=since, cursor=cursor).slices()
            return cursor_list(reader, cursor["after"] if cursor else None)

        return Partition(f"{call.path}?{urlencode(filters)}" if filters else call.path, slices)

    async def _ids(self, path: str, params: Mapping[str, str]) -> list[str]:
        """Ids of the objects of a list that only helps to find others; none where it is refused."""
        pages = paginate(self.requester, ListRequest(path, params=params))
        ids: dict[str, None] = {}
        try:
            async for page in pages:
                ids.update((name, None) for obj in page.objects if (name := id_of(obj)))
        except (*REFUSED, *NO_ANSWER) as error:
            log.warning("%s: objects of test clocks are left out: %s", self.collection.id, error)
            self.requester.refusals.add(Lack.TEST_CLOCKS, path, error)
        return list(ids)


def stored_partition(
    stored: StoredRecords,
    collection: Collection,
    extractor: RecordExtractor,
    *,
    set_aside: SetAsideObjects,
    fields: Sequence[str] = (),
    condition: Condition | None = None,
    at_once: int = STORED_OBJECTS,
) -> Partition:
    """A partition of the stored objects of a collection.

    Args:
        stored: The stored records.
        collection: The collection.
        extractor: Applied to its objects.
        set_aside: Takes the objects that it fails for.
        fields: Top-level fields that the extractor needs, empty for all.
        condition: Leave out objects that do not meet it.
        at_once: Objects that are extracted from together, a slice.
    """

    async def slices(cursor: JsonObject | None) -> AsyncGenerator[Slice, None]:
        after = cursor["after"] if cursor else ""
        done = cursor.get("done", 0) if cursor else 0
        total = await stored.count(collection.id, condition)
        if cursor is None and total > at_once:
            # The first objects may take long: until they are done, 0 % are.
            yield Slice([], {"after": after, "done": done}, share=0.0)
        more = True
        while more:
            page = await stored.page(collection.id, after, at_once, fields, condition)
            found = await extract_each(
                extractor,
                [
                    SourceObject(o.payload, o.observed_at, o.api_version, o.upstream_id)
                    for o in page
                ],
                collection.id,
                set_aside,
            )
            items = [
                Item(obj.upstream_id, None, tuple(observations))
                for obj, observations in zip(page, found, strict=True)
            ]
            after = page[-1].upstream_id if page else after
            done += len(page)
            more = len(page) == at_once
            share = min(1.0, done / total) if more and total else 1.0
            yield Slice(items, {"after": after, "done": done} if more else None, share=share)

    return Partition(f"stored {collection.name}", slices)


async def read_partitions(
    partitions: Sequence[Partition],
    cursor: JsonObject | None,
    fallback: Sequence[Partition] = (),
    *,
    refusals: Refusals,
) -> AsyncGenerator[Slice, None]:
    """Read partitions one after the other; a refused one costs only itself.

    Args:
        partitions: The partitions.
        cursor: Where an earlier run stopped (``Slice.cursor``); None or empty for the beginning,
            as is a cursor in a partition that exists no more.
        fallback: Read instead, if Stripe refuses the list of the first partition.
        refusals: Gets the refused partitions.

    Raises:
        StripeError: Stripe refused all partitions, or an error that is not of one partition; the
            slices before stay valid.
    """
    cursor = cursor or {}
    if any(partition.key == cursor.get("partition") for partition in fallback):
        partitions, fallback = fallback, ()
    keys = [partition.key for partition in partitions]
    resumed = cursor.get("partition") in keys
    first = keys.index(cursor["partition"]) if resumed else 0
    first += bool(resumed and cursor.get("ended"))
    refused: StripeError | None = None
    for number, partition in enumerate(partitions[first:], first):
        slices = partition.slices(cursor.get("list") if resumed and number == first else None)
        lacking = refusals.objects
        try:
            async for each in slices:
                after: JsonObject = {"partition": partition.key, "list": each.cursor}
                if each.cursor is None:
                    after = {"partition": partition.key, "ended": True}
                share = None
                if each.share is not None:
                    share = (number + each.share) / len(partitions)
                yield Slice(each.items, after, each.covered, share)
            refusals.anything_read |= refusals.objects == lacking
        except REFUSED as error:
            if fallback and not number and isinstance(error, InvalidRequest | EndpointUnavailable):
                log.info("Stripe refuses %s, so its fallback is read: %s", partition.key, error)
                async for each in read_partitions(fallback, None, refusals=refusals):
                    yield each
                return
            log.warning("%s is left out: %s", partition.key, error)
            refusals.add(Lack.LIST, partition.key, error)
            refused = refused or error
        finally:
            await slices.aclose()
    if refused and refusals.lists().issuperset(keys):
        raise refused
