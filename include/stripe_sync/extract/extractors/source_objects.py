"""Objects of one collection, and the extractors that turn them into records.

An extractor makes observations of the objects themselves, or of objects of other collections that
they contain, reference or are the parents of. It does not depend on where the objects come from:
a list, the warehouse or Stripe events.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from stripe_sync.catalog import Collection
from stripe_sync.catalog.calls import reference
from stripe_sync.errors import MalformedObject, StripeError, StripeSyncError
from stripe_sync.extract.context import ReadContext
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.extract.refusals import read_each
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.set_aside import SetAsideObjects

log = logging.getLogger(__name__)


# As with observations, frozen would cost a noticeable part of reading a list.
@dataclass(slots=True)
class SourceObject:
    """An object, and when it was in this state.

    Attributes:
        obj: The object; an extractor may redact it in place.
        observed_at: When the request that returned it was sent.
        api_version: Version that it is rendered in, None for the one of its collection.
        key: Its key within its collection, None for its own ``id``.
    """

    obj: JsonObject
    observed_at: datetime
    api_version: str | None = None
    key: str | None = None

    @property
    def id(self) -> str:
        """Its key within its collection."""
        return self.key or str(self.obj["id"])


class RecordExtractor(Protocol):
    """Turns objects of one collection into observations."""

    async def __call__(self, sources: Sequence[SourceObject]) -> list[list[Observation]]:
        """Observations for each object, in their order.

        Raises:
            StripeError: As the client raises it.
        """
        ...


@dataclass(frozen=True, slots=True)
class CollectionExtractor:
    """Base of extractors that return objects of one collection.

    Attributes:
        context: The sync.
        collection: The collection of the extracted objects.
    """

    context: ReadContext
    collection: Collection

    @property
    def normalizer(self) -> Normalizer:
        """Normalizes the extracted objects."""
        return self.context.normalizer(self.collection)

    def key_of(self, value: Any, owner: SourceObject) -> str | None:
        """Key of an object of the collection; None for anything else.

        An object without a key is set aside.

        Args:
            value: An object, or what stands for it.
            owner: The object that contains it or that it is listed for.
        """
        if not self.is_object(value):
            return None
        try:
            return self.normalizer.upstream_id(value, owner.id)
        except MalformedObject as error:
            self.context.set_aside(self.collection, value, error, observed_at=owner.observed_at)
            return None

    def is_object(self, value: Any) -> bool:
        """Whether a value is an object of the collection, not an id or a deleted object's stub."""
        return (
            isinstance(value, dict)
            and value.get("object") == self.collection.object
            and not value.get("deleted")
        )


async def extract_each(
    extractor: RecordExtractor,
    sources: Sequence[SourceObject],
    collection_id: str,
    set_aside: SetAsideObjects,
) -> list[list[Observation]]:
    """Apply an extractor to objects; one that it cannot deal with costs only itself.

    Args:
        extractor: The extractor.
        sources: The objects.
        collection_id: Their collection.
        set_aside: Takes the objects that the extractor fails for, whatever its exception.

    Raises:
        StripeSyncError: A request failed, or the warehouse.
    """
    try:
        return await extractor(sources)
    except StripeSyncError as error:
        if not isinstance(error, MalformedObject):
            raise
        problem: Exception = error
    except Exception as error:  # noqa: BLE001 - an odd object may break any line
        problem = error
    if len(sources) > 1:
        found = []
        for source in sources:
            found += await extract_each(extractor, [source], collection_id, set_aside)
        return found
    for source in sources:
        log.info("An object of %s is set aside", collection_id, exc_info=problem)
        reason = f"{type(problem).__name__}: {problem}"
        set_aside.add(collection_id, source.obj, reason, observed_at=source.observed_at)
    return [[] for _ in sources]


Asked = TypeVar("Asked", str, SourceObject)
Found = TypeVar("Found")


async def read_noted(
    context: ReadContext,
    path: str,
    sources: Sequence[Asked],
    read: Callable[[Asked], Awaitable[Found]],
) -> list[Found | None]:
    """Read sources of which each is asked for by itself; refusals are recorded.

    Args:
        context: The sync.
        path: Path of the requests.
        sources: Objects or ids.
        read: Sends the requests of one.

    Returns:
        The result of each source, None where it was refused.

    Raises:
        StripeError: An error that is not of a single source.
    """
    requester = context.requester
    refusals = requester.refusals
    results: list[Found | None] = []
    answers = await read_each(read, sources, refusals=refusals, check=requester.check_answers)
    for source, answer in zip(sources, answers, strict=True):
        if isinstance(answer, StripeError):
            refusals.add_object(path, answer, source if isinstance(source, str) else source.id)
            results.append(None)
        else:
            refusals.answered(path)
            results.append(answer)
    return results


def values_at(value: Any, path: Sequence[str]) -> list[Any]:
    """All values at a path that are not null.

    ``*`` stands for every element of an array or object; other parts apply to each element of an
    array.
    """
    if not path:
        return [] if value is None else [value]
    head, rest = path[0], path[1:]
    if head == "*":
        elements = value.values() if isinstance(value, dict) else value
        if elements is None or isinstance(elements, str | int | float | bool):
            return []
        return [found for element in elements for found in values_at(element, rest)]
    if isinstance(value, list):
        return [found for element in value for found in values_at(element, path)]
    return values_at(value.get(head), rest) if isinstance(value, dict) else []


def ids_at(value: Any, path: str) -> list[str]:
    """Ids at a dotted path, where a value is an id or an object."""
    ids = (reference(found) for found in values_at(value, path.split(".")))
    return [found for found in ids if found]
