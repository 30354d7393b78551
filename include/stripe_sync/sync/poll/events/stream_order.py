"""The order of Stripe events in the stream: Stripe gives seconds only, not the order within one."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from stripe_sync.catalog import Collection
from stripe_sync.records import ChangeType
from stripe_sync.records.canonical_json import JsonObject

_Second = tuple[str, str, int, int]
"""Kind and id of an object, second of the Stripe events, second of the object's creation."""


def in_stream_order(
    events: Sequence[JsonObject],
    collections: Mapping[str, Collection],
    existing: Container[str] = frozenset(),
) -> list[JsonObject]:
    """Sort Stripe events: oldest first; within a second creation, other changes, deletion.

    Some ids are used again (``Collection.reusable_ids``). Events of the object that was created
    earlier come first. Within the second of the creation, creations and deletions of one id take
    turns, and the last of them is the one that agrees with what exists now.

    Args:
        events: The Stripe events.
        collections: The collections of their objects, by the field ``object``; may lack some.
        existing: Ids of those events whose object exists now.
    """
    turns: dict[_Second, list[tuple[ChangeType, str]]] = {}
    for event in events:
        collection = collections.get(_kind(event))
        if collection and collection.reusable_ids and (change := _end_or_begin(event, collection)):
            turns.setdefault(_second(event, collection), []).append((change, event["id"]))
    ranks: dict[str, int] = {}
    for each in turns.values():
        ranks |= _ranks(each, exists=any(name in existing for _, name in each))

    def key(event: JsonObject) -> tuple[int, int, int]:
        collection = collections.get(_kind(event))
        if collection is None:
            return int(event["created"]), 0, 1
        created = collection.object_created(event["data"]["object"]) or 0
        change = _end_or_begin(event, collection)
        rank = {ChangeType.CREATED: 0, ChangeType.DELETED: 2, None: 1}[change]
        return int(event["created"]), created, ranks.get(event["id"], rank)

    return sorted(events, key=key)


def _ranks(turns: Iterable[tuple[ChangeType, str]], *, exists: bool) -> dict[str, int]:
    """Places of the creations and deletions of one id within a second; other changes have 1.

    From the end: the newest creation has 0, the deletion before it -1, the creation before that -2.
    Where the object exists no longer, one more deletion has 2.
    """
    names = {change: [name for each, name in turns if each is change] for change in ChangeType}
    created, deleted = names[ChangeType.CREATED], names[ChangeType.DELETED]
    ranks = {name: -2 * place for place, name in enumerate(reversed(created))}
    places = [-2 * place - 1 for place in range(max(len(created), 1))]
    if not exists:
        places = [2, *places[: len(created) - 1]] if created else [2]
    # More deletions than turns report one of them again.
    for place, name in enumerate(reversed(deleted)):
        ranks[name] = places[min(place, len(places) - 1)]
    return ranks


def _kind(event: JsonObject) -> str:
    return str(event["data"]["object"].get("object"))


def _second(event: JsonObject, collection: Collection) -> _Second:
    obj = event["data"]["object"]
    created = collection.object_created(obj) or 0
    return _kind(event), str(obj.get("id")), int(event["created"]), created


def _end_or_begin(event: JsonObject, collection: Collection) -> ChangeType | None:
    """Whether a Stripe event reports a creation or a deletion; None for other changes."""
    change = collection.change_of(event["type"])
    return None if change is ChangeType.UPDATED else change
