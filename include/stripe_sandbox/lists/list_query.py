"""The parameters of a list request: page, cursor and filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stripe_sandbox.errors import bad_request, no_such
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.resource_spec import Resource
from stripe_sandbox.resources.sdk_schema import Schema
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import (
    HIDDEN_BY_FILTER,
    HIDDEN_BY_TEST_CLOCK,
    Doc,
    values_at,
)

_BOUNDS = {"gt", "gte", "lt", "lte"}
_LATEST = 1 << 36
DEFAULT_LIMIT, MAX_LIMIT = 10, 100
Check = Callable[[Doc], bool]


@dataclass(slots=True)
class ListQuery:
    """A parsed list request.

    Attributes:
        limit: Objects per page.
        after: ``starting_after``; before: ``ending_before``.
        expand: Expansion paths, as given.
        first: The earliest matching creation second; last: the latest.
        equals: Pairs of a dotted path and its value, which an index can look up.
        checks: Other conditions on the object.
        hidden_mask: Reasons for hiding objects that apply to this request.
    """

    limit: int = DEFAULT_LIMIT
    after: str | None = None
    before: str | None = None
    expand: list[str] = field(default_factory=list)
    first: int = 0
    last: int = _LATEST
    equals: list[tuple[str, Any]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    hidden_mask: int = HIDDEN_BY_FILTER | HIDDEN_BY_TEST_CLOCK


def list_schemas(resource: Resource) -> Mapping[str, Schema]:
    """The parameters of a resource's list."""
    own = sdk_schema.params(resource.object, "list")
    return {
        **form_parameters.PAGING,
        **(own or {}),
        **form_parameters.schemas_by_type(resource.extra_filters),
    }


def parse(
    resource: Resource, tree: Mapping[str, Any], schemas: Mapping[str, Schema] | None = None
) -> ListQuery:
    """Parse the parameters of a list request.

    Args:
        resource: The listed resource.
        tree: The decoded parameters.
        schemas: The parameters of the list, if they are not those of the resource's list.

    Raises:
        ApiError: 400, a parameter is unknown or has another type.
    """
    given = form_parameters.coerce_params(
        tree, list_schemas(resource) if schemas is None else schemas
    )
    query = ListQuery()
    query.expand = given.pop("expand", None) or []
    query.limit = _limit(given.pop("limit", None))
    query.after, query.before = given.pop("starting_after", None), given.pop("ending_before", None)
    if query.after and query.before:
        message = "You may only specify one of these parameters: ending_before, starting_after."
        raise bad_request(message, param="ending_before")
    if "created" in given:
        query.first, query.last = range_bounds(given.pop("created"), "created")
    _lift_default_filters(query, resource, given)
    given = {**resource.default_params, **given} if schemas is None else given
    for name, value in given.items():
        if value is not None:
            _filter(query, resource, name, value)
    return query


def check_targets(resource: Resource, tree: Mapping[str, Any], store: AccountStore) -> None:
    """Check the objects that filters of a list request name.

    Raises:
        ApiError: 400, there is no such object, or the list cannot be filtered on it.
    """
    for name, target in resource.filter_targets.items():
        value = tree.get(name)
        if value is None:
            continue
        found = store.find((target.object,), str(value))
        if found is None:
            raise no_such(target.object.replace("_", " "), value, param=name, status=400)
        if not found.get(target.field):
            raise bad_request(target.message, param=name)


def range_bounds(value: Any, name: str) -> tuple[int, int]:
    """The first and the last second of a range filter, both included.

    Raises:
        ApiError: 400, not a timestamp or not a range.
    """
    if not isinstance(value, dict):
        second = _timestamp(value, name)
        return second, second
    first, last = 0, _LATEST
    for bound, text in value.items():
        if bound not in _BOUNDS:
            message = f"Invalid hash: {name}[{bound}]"
            raise bad_request(message, param=name)
        second = _timestamp(text, f"{name}[{bound}]")
        if bound.startswith("g"):
            first = max(first, second + (bound == "gt"))
        else:
            last = min(last, second - (bound == "lt"))
    return first, last


def _timestamp(value: Any, name: str) -> int:
    number: int = form_parameters.coerce(value, Schema("int"), name)
    return number


def _limit(value: int | None) -> int:
    if value is None:
        return DEFAULT_LIMIT
    if not 1 <= value <= MAX_LIMIT:
        bound = "greater than or equal to 1" if value < 1 else f"less than or equal to {MAX_LIMIT}"
        message = f"This value must be {bound}."
        raise bad_request(message, param="limit")
    return value


def _lift_default_filters(query: ListQuery, resource: Resource, given: dict[str, Any]) -> None:
    rule = resource.default_filter
    if rule is not None and rule.param is not None and given.get(rule.param) is not None:
        query.hidden_mask &= ~HIDDEN_BY_FILTER
        if given[rule.param] in resource.filter_groups:
            values = resource.filter_groups[given.pop(rule.param)]
            query.checks.extend([lambda doc: doc.get(rule.field) in values] if values else [])
    if any(given.get(name) is not None for name in resource.test_clock_params):
        query.hidden_mask &= ~HIDDEN_BY_TEST_CLOCK


def _filter(query: ListQuery, resource: Resource, name: str, value: Any) -> None:
    path = resource.filter_paths.get(name, name)
    if name == "pending":
        query.checks.append(lambda doc: (doc.get(path) is None) is value)
    elif name == "scheduled":
        if value:
            query.equals.append((path, "not_started"))
    elif isinstance(value, list):
        allowed = set(value)
        query.checks.append(lambda doc: any(v in allowed for v in values_at(doc, path)))
    elif isinstance(value, dict) and _BOUNDS.issuperset(value):
        query.checks.append(_within(path, *range_bounds(value, name)))
    elif isinstance(value, dict):
        for key, nested in value.items():
            _nested(query, f"{path}.{key}", nested)
    else:
        query.equals.append((path, value))


def _nested(query: ListQuery, path: str, value: Any) -> None:
    if isinstance(value, dict):
        query.checks.append(_within(path, *range_bounds(value, path)))
    else:
        query.equals.append((path, value))


def _within(path: str, first: int, last: int) -> Check:
    return lambda doc: any(isinstance(v, int) and first <= v <= last for v in values_at(doc, path))
