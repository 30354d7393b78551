"""List requests: filters, cursors, pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stripe_sandbox import forms, sdk
from stripe_sandbox.entries import HIDDEN_BY_CLOCK, HIDDEN_BY_RULE, Doc, Entry, values_at
from stripe_sandbox.errors import bad_request, no_such
from stripe_sandbox.rows import Resource
from stripe_sandbox.sdk import Shape
from stripe_sandbox.store import Collection, position, span

_EDGES = {"gt", "gte", "lt", "lte"}
_FOREVER = 1 << 36
DEFAULT_LIMIT, MAX_LIMIT = 10, 100
Check = Callable[[Doc], bool]


@dataclass(slots=True)
class ListQuery:
    """A list request, understood.

    Attributes:
        limit: Objects per page.
        after: ``starting_after``; before: ``ending_before``.
        expand: Paths as given.
        first: Earliest creation second that matches; last: the latest.
        equals: Dotted path and value pairs that an index can answer.
        checks: Further conditions on the object.
        mask: Which reasons for being hidden apply.
    """

    limit: int = DEFAULT_LIMIT
    after: str | None = None
    before: str | None = None
    expand: list[str] = field(default_factory=list)
    first: int = 0
    last: int = _FOREVER
    equals: list[tuple[str, Any]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    mask: int = HIDDEN_BY_RULE | HIDDEN_BY_CLOCK


def list_shapes(resource: Resource) -> Mapping[str, Shape]:
    """The parameters that a resource's list accepts."""
    own = sdk.params(resource.object, "list")
    return {**forms.PAGING, **(own or {}), **forms.named(resource.filters)}


def parse(
    resource: Resource, tree: Mapping[str, Any], shapes: Mapping[str, Shape] | None = None
) -> ListQuery:
    """Understand the parameters of a list request.

    Args:
        resource: What is listed.
        tree: The parameters.
        shapes: What the list accepts, when it is not the resource's own.

    Raises:
        ApiError: 400, a parameter is unknown or does not fit.
    """
    given = forms.coerce_all(tree, list_shapes(resource) if shapes is None else shapes)
    query = ListQuery()
    query.expand = given.pop("expand", None) or []
    query.limit = _limit(given.pop("limit", None))
    query.after, query.before = given.pop("starting_after", None), given.pop("ending_before", None)
    if query.after and query.before:
        message = "You may only specify one of these parameters: ending_before, starting_after."
        raise bad_request(message, param="ending_before")
    if "created" in given:
        query.first, query.last = bounds(given.pop("created"), "created")
    _lift_defaults(query, resource, given)
    given = {**resource.defaults, **given} if shapes is None else given
    for name, value in given.items():
        if value is not None:
            _filter(query, resource, name, value)
    return query


def page(collection: Collection, query: ListQuery) -> tuple[list[Entry], bool]:
    """The objects of one page, newest first, and whether more lie beyond.

    Raises:
        ApiError: 400 resource_missing, the cursor is not in the list.
    """
    noun = collection.resource.object.replace("_", " ")
    return turn(_smallest(collection, query), collection.by_id.get, query, noun)


def turn(
    entries: list[Entry], find: Callable[[str], Entry | None], query: ListQuery, noun: str
) -> tuple[list[Entry], bool]:
    """The same, of candidates that are sorted oldest first.

    Raises:
        ApiError: 400 resource_missing, the cursor is not in the list.
    """
    low, high = span(entries, query.first, query.last)
    cursor = query.after or query.before
    if cursor is None:
        return _newest_first(entries, range(high - 1, low - 1, -1), query)
    param = "starting_after" if query.after else "ending_before"
    entry = find(cursor)
    at = -1 if entry is None else position(entries, entry)
    if entry is None or not low <= at < high or not _matches(entry, query):
        raise no_such(noun, cursor, param=param, status=400)
    if query.after:
        return _newest_first(entries, range(at - 1, low - 1, -1), query)
    newer, more = _newest_first(entries, range(at + 1, high), query)
    newer.reverse()
    return newer, more


def bounds(value: Any, name: str) -> tuple[int, int]:
    """The first and the last second of a range filter, both included.

    Raises:
        ApiError: 400, not a timestamp or not a range.
    """
    if not isinstance(value, dict):
        moment = _timestamp(value, name)
        return moment, moment
    first, last = 0, _FOREVER
    for edge, raw in value.items():
        if edge not in _EDGES:
            message = f"Invalid hash: {name}[{edge}]"
            raise bad_request(message, param=name)
        moment = _timestamp(raw, f"{name}[{edge}]")
        if edge.startswith("g"):
            first = max(first, moment + (edge == "gt"))
        else:
            last = min(last, moment - (edge == "lt"))
    return first, last


def _timestamp(value: Any, name: str) -> int:
    number: int = forms.coerce(value, Shape("int"), name)
    return number


def _limit(value: int | None) -> int:
    if value is None:
        return DEFAULT_LIMIT
    if not 1 <= value <= MAX_LIMIT:
        bound = "greater than or equal to 1" if value < 1 else f"less than or equal to {MAX_LIMIT}"
        message = f"This value must be {bound}."
        raise bad_request(message, param="limit")
    return value


def _lift_defaults(query: ListQuery, resource: Resource, given: dict[str, Any]) -> None:
    rule = resource.listed
    if rule is not None and rule.param is not None and given.get(rule.param) is not None:
        query.mask &= ~HIDDEN_BY_RULE
        if given[rule.param] in resource.wider:
            among = resource.wider[given.pop(rule.param)]
            query.checks.extend([lambda doc: doc.get(rule.field) in among] if among else [])
    if any(given.get(name) is not None for name in resource.clocked):
        query.mask &= ~HIDDEN_BY_CLOCK


def _filter(query: ListQuery, resource: Resource, name: str, value: Any) -> None:
    path = resource.paths.get(name, name)
    if name == "pending":
        query.checks.append(lambda doc: (doc.get(path) is None) is value)
    elif name == "scheduled":
        if value:
            query.equals.append((path, "not_started"))
    elif isinstance(value, list):
        allowed = set(value)
        query.checks.append(lambda doc: any(v in allowed for v in values_at(doc, path)))
    elif isinstance(value, dict) and _EDGES.issuperset(value):
        query.checks.append(_within(path, *bounds(value, name)))
    elif isinstance(value, dict):
        for key, nested in value.items():
            _nested(query, f"{path}.{key}", nested)
    else:
        query.equals.append((path, value))


def _nested(query: ListQuery, path: str, value: Any) -> None:
    if isinstance(value, dict):
        query.checks.append(_within(path, *bounds(value, path)))
    else:
        query.equals.append((path, value))


def _within(path: str, first: int, last: int) -> Check:
    return lambda doc: any(isinstance(v, int) and first <= v <= last for v in values_at(doc, path))


def _smallest(collection: Collection, query: ListQuery) -> list[Entry]:
    """The shortest list of candidates; the other equalities become checks."""
    if not query.equals:
        return collection.order
    found = [(collection.index(path, value), path, value) for path, value in query.equals]
    found.sort(key=lambda triple: len(triple[0]))
    for _, path, value in found[1:]:
        query.checks.append(equal(path, value))
    return found[0][0]


def equal(path: str, value: Any) -> Check:
    """The condition that a value stands at a dotted path."""
    return lambda doc: value in values_at(doc, path)


def _matches(entry: Entry, query: ListQuery) -> bool:
    if entry.hidden & query.mask:
        return False
    if not query.checks:
        return True
    doc = entry.doc()
    return all(check(doc) for check in query.checks)


def _newest_first(
    entries: list[Entry], walk: Iterable[int], query: ListQuery
) -> tuple[list[Entry], bool]:
    found: list[Entry] = []
    for at in walk:
        entry = entries[at]
        if (entry.hidden or query.checks) and not _matches(entry, query):
            continue
        if len(found) == query.limit:
            return found, True
        found.append(entry)
    return found, False
