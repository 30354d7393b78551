"""Rules for the catalogue's entries, alone and together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from stripe_sync.catalog.calls import ListCall, placeholders
from stripe_sync.catalog.change_signals import change_signals
from stripe_sync.catalog.model import (
    ID_PREFIX,
    Availability,
    Collection,
    Mutations,
    Retrieval,
)
from stripe_sync.errors import CatalogError

STREAM_VIEWS = ("records", "events")
"""Names in schema ``stripe`` that the views of the streams have."""

_ID = re.compile(r"stripe:[a-z_]+(\.[a-z_]+)?")
_VIEW = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PATH = re.compile(r"/v1(/[a-z0-9_]+|/\{[a-z_]+\})+")
_KEYS = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_SOURCE = re.compile(r"[a-z0-9_]+(\.([a-z0-9_]+|\*))*")
_MUTATION = re.compile(r"(POST|DELETE) (/.*)")
_ACTION = re.compile(r"POST /.*/\{id\}/[a-z_]+")
_PERMISSION = re.compile(r"[a-z_]+_(read|write)")
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(\.[a-z]+)?")

_NEEDS: Mapping[Retrieval, tuple[str, Callable[[Collection], bool]]] = {
    Retrieval.TOP_LEVEL_LIST: (
        "a list without parent",
        lambda c: bool(c.lists) and not any(call.parent for call in c.lists),
    ),
    Retrieval.NESTED_LIST: ("a list with parent", lambda c: any(call.parent for call in c.lists)),
    Retrieval.EMBEDDED: ("sources", lambda c: bool(c.sources)),
    Retrieval.EXPANDED: ("sources", lambda c: bool(c.sources)),
    Retrieval.RETRIEVE_ONLY: (
        "sources and a retrieve path",
        lambda c: bool(c.sources and c.retrieve),
    ),
    Retrieval.PREVIEW: ("a preview call or sources", lambda c: bool(c.preview or c.sources)),
    Retrieval.EVENT_ONLY: ("Stripe events", lambda c: bool(c.events.all)),
    Retrieval.CREATE_ONLY: ("a create call", lambda c: bool(c.mutations.create)),
}


def check(collections: Iterable[Collection]) -> None:
    """Check collections by themselves and against each other.

    Raises:
        CatalogError: The message has every problem.
    """
    collections = list(collections)
    known = {each.id for each in collections}
    problems = [f"{c.id}: {cause}" for c in collections for cause in _collection_problems(c, known)]
    for field in ("id", "view", "title"):
        counts = Counter(getattr(each, field) for each in collections)
        problems += [f"{value}: {field} is not unique" for value, n in counts.items() if n > 1]
    problems += _routing_problems(collections)
    problems += _reread_problems(collections)
    problems += _change_signal_problems(collections)
    if problems:
        raise CatalogError("; ".join(problems))


def _collection_problems(collection: Collection, known: set[str]) -> Iterator[str]:
    yield from _name_problems(collection)
    yield from _payload_problems(collection)
    for call in collection.lists + collection.fallback_lists:
        yield from (f"list {call.path}: {cause}" for cause in _list_problems(call))
    if not collection.fallback_lists and any(call.complete_since for call in collection.lists):
        yield "complete_since needs fallback_lists"
    yield from _call_problems(collection)
    yield from _mutation_problems(collection.mutations)
    yield from _permission_problems(collection)
    yield from _event_problems(collection)
    for needed in sorted(_related_collections(collection) - known):
        yield f"refers to {needed}, which is not in the catalogue"
    what, satisfied = _NEEDS[collection.retrieval]
    if not satisfied(collection):
        yield f"retrieval {collection.retrieval} needs {what}"
    if (collection.availability is Availability.LEGACY) != bool(collection.api_version):
        yield "an api_version goes with availability legacy, and only with it"


def _name_problems(collection: Collection) -> Iterator[str]:
    if not _ID.fullmatch(collection.id):
        yield f"the id must look like {ID_PREFIX}customer"
    if not _VIEW.fullmatch(collection.view) or collection.view in STREAM_VIEWS:
        yield f"view {collection.view!r} is no free SQL name"
    if collection.api_version and not _VERSION.fullmatch(collection.api_version):
        yield f"api_version {collection.api_version!r} is no Stripe-Version"


def _payload_problems(collection: Collection) -> Iterator[str]:
    if not collection.key:
        yield "the key is empty"
    for field in ("key", "expand", "sensitive", "volatile"):
        paths = getattr(collection, field)
        yield from (f"{field} {p!r} is no dotted path" for p in paths if not _KEYS.fullmatch(p))
        if len(set(paths)) < len(paths):
            yield f"{field} repeats itself"
    for source in collection.sources:
        if not _SOURCE.fullmatch(source.field):
            yield f"source {source.field!r} is no dotted path"


def _list_problems(call: ListCall) -> Iterator[str]:
    if not _PATH.fullmatch(call.path):
        yield "malformed path"
    if call.parent is None and (call.placeholders or call.embedded):
        yield "placeholders and embedded need a parent"
    if call.parent is not None and len(call.placeholders) != 1:
        yield "a parent needs exactly one placeholder"
    names = {name.split("[")[0] for params in (call.params, *call.variants) for name in params}
    for name in sorted(names - set(call.filters)):
        yield f"parameter {name!r} is not among the filters"
    if call.complete_since and not _VERSION.fullmatch(call.complete_since):
        yield f"complete_since {call.complete_since!r} is no Stripe-Version"
    if any(set(call.params) & set(variant) for variant in call.variants):
        yield "a variant overrides a parameter"


def _call_problems(collection: Collection) -> Iterator[str]:
    for path in (collection.retrieve, *collection.retrieve_alternatives):
        if path is not None and not (_PATH.fullmatch(path) and placeholders(path)):
            yield f"retrieve {path!r} is no path with a placeholder"
    if collection.retrieve_alternatives and not collection.retrieve:
        yield "retrieve_alternatives need retrieve"
    if collection.preview:
        named = placeholders(*collection.preview.params.values())
        if not _PATH.fullmatch(collection.preview.path) or len(named) != 1:
            yield "preview needs a path and exactly one placeholder in its parameters"


def _mutation_problems(calls: Mutations) -> Iterator[str]:
    for call in calls.all:
        match = _MUTATION.fullmatch(call)
        if not match or not _PATH.fullmatch(match[2]):
            yield f"mutation {call!r} is not METHOD /path"
    for call in calls.actions:
        if not _ACTION.fullmatch(call):
            yield f"action {call!r} is not POST /path/{{id}}/name"
    for routes in (calls.create, calls.update, calls.delete):
        counts = [len(placeholders(route)) for route in routes]
        if counts != sorted(counts, reverse=True):
            yield f"mutation {routes[0]!r} comes before a route with more placeholders"


def _permission_problems(collection: Collection) -> Iterator[str]:
    needed = collection.permissions
    for name in needed.read + needed.write:
        if not _PERMISSION.fullmatch(name):
            yield f"permission {name!r} does not end in _read or _write"
    if not needed.read and not needed.note:
        yield "permissions need read, or a note why there is none"
    if bool(needed.write) < bool(collection.mutations.all) and not needed.note:
        yield "permissions need write, or a note why there is none"
    if needed.write and not collection.mutations.all:
        yield "permissions have write, but there are no mutations"


def _event_problems(collection: Collection) -> Iterator[str]:
    repeated = [name for name, n in Counter(collection.events.all).items() if n > 1]
    yield from (f"Stripe event {name} has two roles" for name in repeated)
    for name in collection.events.legacy:
        if name not in collection.events.all:
            yield f"legacy Stripe event {name} has no role"


def _related_collections(collection: Collection) -> set[str]:
    named = {call.parent for call in collection.lists + collection.fallback_lists}
    named |= {source.collection for source in collection.sources}
    named |= {collection.preview.parent if collection.preview else None, collection.objects_of}
    calls = (*collection.lists, collection.preview)
    named |= {each.collection for call in calls if call for each in call.evidence}
    return {name for name in named if name is not None}


def _routing_problems(collections: list[Collection]) -> Iterator[str]:
    """The object name decides the collection of a payload, so others may share it only."""
    names = Counter(c.object for c in collections if c.is_routed)
    yield from (f"object {name} belongs to {n} collections" for name, n in names.items() if n > 1)
    by_id = {each.id: each for each in collections}
    for each in collections:
        owner = by_id.get(each.objects_of or each.id)
        if owner and owner.object != each.object:
            yield f"{each.id}: its objects cannot be those of {owner.id}"


def _reread_problems(collections: list[Collection]) -> Iterator[str]:
    """A window needs a list with a ``created`` filter: the collection's own or that of a parent."""
    by_time = {each.id for each in collections if each.listed_by_time}
    for each in collections:
        windows = [reread.days for reread in each.reread_schedule]
        if len(set(windows)) < len(windows):
            yield f"{each.id}: reread_schedule has a window twice"
        if any(
            (reread.days is None) != (reread.minutes is None) for reread in each.reread_schedule
        ):
            yield f"{each.id}: days and minutes of a re-read go together"
        if any(windows) and not by_time & {each.id, *(call.parent for call in each.lists)}:
            yield f"{each.id}: a re-read by days needs a list with a created filter"


def _change_signal_problems(collections: list[Collection]) -> Iterator[str]:
    parent_only = {each.id for each in collections if each.parent_only}
    for each in collections:
        has_signal = bool(change_signals(each, parent_only))
        if not each.parent_only and has_signal is bool(each.no_change_signal):
            yield (
                f"{each.id}: needs either a change signal (events, refreshed_by, sources,"
                " reread_schedule) or no_change_signal, the reason why it has none"
            )
