"""What a consumer was not delivered yet although its cursor has passed it. Pure, in memory."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from stripe_sync.consumers.sink import ItemFailure, Outcome
from stripe_sync.streams.items import ItemKey, StreamItem

MOST = 10_000
"""Items above which no more of the stream is read."""

UNFINISHED_SECONDS = 120.0
"""Time after which an item that a sink never reported on is delivered again."""

GIVEN_UP_SECONDS = 86_400.0
"""Time after its first failure after which an item becomes a dead letter."""

_FIRST_WAIT = 5.0
_LONGEST_WAIT = 3_600.0
_FACTOR = 3.0

ObjectKey = tuple[object, str, str]


class ItemState(StrEnum):
    """State of an item."""

    IN_FLIGHT = "in_flight"
    RETRY = "retry"
    PARKED = "parked"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class PendingItem:
    """An item that was not delivered.

    Attributes:
        key: Sync and stream position.
        collection_id: ``stripe:customer``.
        upstream_id: Stripe's id of the object.
        state: What becomes of it.
        since: When it was first not delivered, in seconds of the monotonic counter.
        due: When it is tried again, by the same counter.
        deliveries: How often it was tried.
        error: Why the last try failed.
    """

    key: ItemKey
    collection_id: str
    upstream_id: str
    state: ItemState
    since: float
    due: float = 0.0
    deliveries: int = 0
    error: str | None = None

    @property
    def object_key(self) -> ObjectKey:
        """The object that it is about."""
        return self.key[0], self.collection_id, self.upstream_id


@dataclass(slots=True)
class PendingChanges:
    """What is to be stored of pending items.

    Attributes:
        stored: Items to insert or update.
        removed: Keys of items to delete.
    """

    stored: dict[ItemKey, PendingItem] = field(default_factory=dict)
    removed: set[ItemKey] = field(default_factory=set)


class Pending:
    """The pending items of one consumer, without its dead letters.

    Args:
        items: The stored ones.
        keeps_newest: Whether a newer item of an object replaces an older one that waits: in the
            stream of records, where the older one is gone.
    """

    def __init__(self, items: Iterable[PendingItem], *, keeps_newest: bool) -> None:
        self._keeps_newest = keeps_newest
        self._items: dict[ItemKey, PendingItem] = {}
        self._by_object: dict[ObjectKey, dict[ItemKey, None]] = {}
        self._changes = PendingChanges()
        for item in sorted(items, key=lambda each: (str(each.key[0]), each.key[1])):
            self._put(item)
        self._changes = PendingChanges()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def error(self) -> str | None:
        """The newest reason why an item waits for another try."""
        errors = [each for each in self._items.values() if each.error is not None]
        return max(errors, key=lambda each: each.due).error if errors else None

    @property
    def in_flight(self) -> bool:
        """Whether an item is under way."""
        return any(each.state is ItemState.IN_FLIGHT for each in self._items.values())

    def blocks(self, item: StreamItem) -> bool:
        """Whether an earlier item of the same object must be delivered first."""
        return item.object_key in self._by_object

    def next_due(self) -> float | None:
        """When the next item may be delivered, by the monotonic counter; None: there is none."""
        firsts = (self._items[next(iter(keys))] for keys in self._by_object.values())
        return min((first.due for first in firsts), default=None)

    def due(self, now: float, limit: int) -> list[ItemKey]:
        """Items to deliver now, of each object in order.

        Args:
            now: Seconds of the monotonic counter.
            limit: Most.
        """
        found: list[ItemKey] = []
        for keys in self._by_object.values():
            if len(found) >= limit:
                break
            if self._items[next(iter(keys))].due <= now:
                found += list(keys)[: limit - len(found)]
        return found

    def park(self, items: Iterable[StreamItem], now: float) -> None:
        """Keep items of blocked objects for later."""
        for item in items:
            self._park(item, now)

    def settle(
        self, tried: Sequence[StreamItem], outcome: Outcome, now: float
    ) -> tuple[int, list[PendingItem]]:
        """Note what became of items.

        Args:
            tried: What was given to the sink, in order.
            outcome: What it said.
            now: Seconds of the monotonic counter.

        Returns:
            The number of items that were delivered, and the new dead letters.
        """
        delivered, dead = 0, []
        for key in outcome.finished:
            delivered += key in self._items
            self.drop([key])
        by_key = {item.key: item for item in tried}
        for item in tried:
            if failure := outcome.failed.get(item.key):
                dead += self._fail(self._known(item, now), failure, now)
            elif item.key in outcome.unfinished:
                known = self._known(item, now)
                due = now + UNFINISHED_SECONDS
                self._put(replace(known, state=ItemState.IN_FLIGHT, due=due))
            elif item.key in outcome.skipped:
                self._park(item, now)
            else:
                delivered += 1
                self.drop([item.key])
        for key, failure in outcome.failed.items():
            if key not in by_key and key in self._items:
                dead += self._fail(self._items[key], failure, now)
        return delivered, dead

    def reopen(self) -> None:
        """Try again what was under way: the sink that knew of it is gone."""
        for item in list(self._items.values()):
            if item.state is ItemState.IN_FLIGHT:
                self._put(replace(item, state=ItemState.RETRY, due=0.0))

    def drop(self, keys: Iterable[ItemKey]) -> None:
        """Forget items: delivered, or no longer in the stream."""
        for key in keys:
            item = self._items.pop(key, None)
            if item is not None:
                self._unlink(item)
                self._changes.stored.pop(key, None)
                self._changes.removed.add(key)

    def changes(self) -> PendingChanges:
        """What is to be stored since the last call."""
        changes, self._changes = self._changes, PendingChanges()
        return changes

    def _known(self, item: StreamItem, now: float) -> PendingItem:
        return self._items.get(item.key) or PendingItem(
            item.key, item.collection_id, item.upstream_id, ItemState.PARKED, since=now
        )

    def _park(self, item: StreamItem, now: float) -> None:
        if item.key in self._items:
            return
        new = self._known(item, now)
        if self._keeps_newest:
            for key in list(self._by_object.get(item.object_key, ())):
                older = self._items[key]
                if older.state is not ItemState.IN_FLIGHT:
                    new = replace(older, key=item.key)
                    self.drop([key])
        self._put(new)

    def _fail(self, item: PendingItem, failure: ItemFailure, now: float) -> list[PendingItem]:
        """Note a failed try; returns the item if it is given up."""
        failed = replace(item, deliveries=item.deliveries + 1, error=failure.error)
        if failure.is_final or now - item.since >= GIVEN_UP_SECONDS:
            letter = replace(failed, state=ItemState.DEAD)
            self.drop([item.key])
            self._changes.removed.discard(item.key)
            self._changes.stored[item.key] = letter
            return [letter]
        wait = min(_FIRST_WAIT * _FACTOR ** min(item.deliveries, 20), _LONGEST_WAIT)
        wait = max(wait * random.uniform(0.8, 1.2), failure.retry_after or 0.0)  # noqa: S311
        self._put(replace(failed, state=ItemState.RETRY, due=now + wait))
        return []

    def _put(self, item: PendingItem) -> None:
        self._items[item.key] = item
        keys = self._by_object.setdefault(item.object_key, {})
        keys[item.key] = None
        if len(keys) > 1:
            self._by_object[item.object_key] = dict.fromkeys(sorted(keys, key=lambda key: key[1]))
        self._changes.removed.discard(item.key)
        self._changes.stored[item.key] = item

    def _unlink(self, item: PendingItem) -> None:
        keys = self._by_object[item.object_key]
        del keys[item.key]
        if not keys:
            del self._by_object[item.object_key]
