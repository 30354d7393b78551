"""What must hold for the catalogue's rows, alone and together."""

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
    Retrieval,
)
from stripe_sync.errors import CatalogError

STREAM_VIEWS = ("records", "events")
"""Names in schema ``stripe`` that the streams themselves take."""

_ID = re.compile(r"stripe:[a-z_]+(\.[a-z_]+)?")
_VIEW = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PATH = re.compile(r"/v1(/[a-z0-9_]+|/\{[a-z_]+\})+")
_KEYS = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_SOURCE = re.compile(r"[a-z0-9_]+(\.([a-z0-9_]+|\*))*")
_MUTATION = re.compile(r"(POST|DELETE) (/.*)")
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(\.[a-z]+)?")

_NEEDS: Mapping[Retrieval, tuple[str, Callable[[Collection], bool]]] = {
    Retrieval.TOP_LEVEL_LIST: (
        "a list without parent",
        lambda row: bool(row.lists) and not any(call.parent for call in row.lists),
    ),
    Retrieval.NESTED_LIST: (
        "a list with parent",
        lambda row: any(call.parent for call in row.lists),
    ),
    Retrieval.EMBEDDED: ("sources", lambda row: bool(row.sources)),
    Retrieval.EXPANDED: ("sources", lambda row: bool(row.sources)),
    Retrieval.RETRIEVE_ONLY: (
        "sources and a retrieve path",
        lambda row: bool(row.sources and row.retrieve),
    ),
    Retrieval.PREVIEW: (
        "a preview call or sources",
        lambda row: bool(row.preview or row.sources),
    ),
    Retrieval.EVENT_ONLY: ("Stripe events", lambda row: bool(row.events.all)),
    Retrieval.CREATE_ONLY: ("a create call", lambda row: bool(row.mutations.create)),
}


def check(rows: Iterable[Collection]) -> None:
    """Check rows by themselves and against each other.

    Raises:
        CatalogError: Names every row that is wrong, with the cause.
    """
    rows = list(rows)
    known = {row.id for row in rows}
    problems = [f"{row.id}: {cause}" for row in rows for cause in _row_problems(row, known)]
    for field in ("id", "view", "title"):
        counts = Counter(getattr(row, field) for row in rows)
        problems += [f"{value}: {field} is not unique" for value, n in counts.items() if n > 1]
    problems += _routing_problems(rows)
    problems += _relist_problems(rows)
    problems += _watch_problems(rows)
    if problems:
        raise CatalogError("; ".join(problems))


def _row_problems(row: Collection, known: set[str]) -> Iterator[str]:
    yield from _name_problems(row)
    yield from _payload_problems(row)
    for call in row.lists + row.fallback_lists:
        yield from (f"list {call.path}: {cause}" for cause in _list_problems(call))
    if not row.fallback_lists and any(call.complete_since for call in row.lists):
        yield "complete_since needs fallback_lists"
    yield from _call_problems(row)
    yield from _event_problems(row)
    for needed in sorted(_named_collections(row) - known):
        yield f"names {needed}, which is not in the catalogue"
    what, satisfied = _NEEDS[row.retrieval]
    if not satisfied(row):
        yield f"obtained by {row.retrieval} needs {what}"
    if (row.availability is Availability.LEGACY) != bool(row.api_version):
        yield "an api_version goes with availability legacy, and only with it"


def _name_problems(row: Collection) -> Iterator[str]:
    if not _ID.fullmatch(row.id):
        yield f"the id must look like {ID_PREFIX}customer"
    if not _VIEW.fullmatch(row.view) or row.view in STREAM_VIEWS:
        yield f"view {row.view!r} is no free SQL name"
    if row.api_version and not _VERSION.fullmatch(row.api_version):
        yield f"api_version {row.api_version!r} is no Stripe-Version"


def _payload_problems(row: Collection) -> Iterator[str]:
    if not row.key:
        yield "the key is empty"
    for field in ("key", "expand", "sensitive", "volatile"):
        paths = getattr(row, field)
        yield from (f"{field} {p!r} is no dotted path" for p in paths if not _KEYS.fullmatch(p))
        if len(set(paths)) < len(paths):
            yield f"{field} repeats itself"
    for source in row.sources:
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


def _call_problems(row: Collection) -> Iterator[str]:
    for path in (row.retrieve, *row.retrieve_alternatives):
        if path is not None and not (_PATH.fullmatch(path) and placeholders(path)):
            yield f"retrieve {path!r} is no path with a placeholder"
    if row.retrieve_alternatives and not row.retrieve:
        yield "retrieve_alternatives need retrieve"
    if row.preview:
        named = placeholders(*row.preview.params.values())
        if not _PATH.fullmatch(row.preview.path) or len(named) != 1:
            yield "preview needs a path and exactly one placeholder in its parameters"
    for call in row.mutations.all:
        match = _MUTATION.fullmatch(call)
        if not match or not _PATH.fullmatch(match[2]):
            yield f"mutation {call!r} is not METHOD /path"


def _event_problems(row: Collection) -> Iterator[str]:
    repeated = [name for name, n in Counter(row.events.all).items() if n > 1]
    yield from (f"Stripe event {name} has two roles" for name in repeated)
    for name in row.events.legacy:
        if name not in row.events.all:
            yield f"legacy Stripe event {name} has no role"


def _named_collections(row: Collection) -> set[str]:
    named = {call.parent for call in row.lists + row.fallback_lists}
    named |= {source.collection for source in row.sources}
    named.add(row.preview.parent if row.preview else None)
    return {collection for collection in named if collection is not None}


def _routing_problems(rows: list[Collection]) -> Iterator[str]:
    """Payloads are told apart by their object name, so only previews may share one."""
    stored = [row for row in rows if row.retrieval is not Retrieval.PREVIEW]
    for name, n in Counter(row.object for row in stored).items():
        if n > 1:
            yield f"object {name} belongs to {n} collections"


def _relist_problems(rows: list[Collection]) -> Iterator[str]:
    """A window needs a list that knows times: the collection's own or that of a parent."""
    by_time = {row.id for row in rows if row.listed_by_time}
    for row in rows:
        windows = [each.days for each in row.reread_schedule]
        if len(set(windows)) < len(windows):
            yield f"{row.id}: relist names a window twice"
        if any((each.days is None) != (each.minutes is None) for each in row.reread_schedule):
            yield f"{row.id}: days and minutes of a relist go together"
        if any(windows) and not by_time & {row.id, *(call.parent for call in row.lists)}:
            yield f"{row.id}: a relist by days needs a list with a created filter"


def _watch_problems(rows: list[Collection]) -> Iterator[str]:
    parent_only = {row.id for row in rows if row.parent_only}
    for row in rows:
        if not row.parent_only and bool(change_signals(row, parent_only)) is bool(
            row.no_change_signal
        ):
            yield (
                f"{row.id}: needs a way in which changes are told, or the reason why nothing tells"
                " of them (unwatched), not both"
            )
