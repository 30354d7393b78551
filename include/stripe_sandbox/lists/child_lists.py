"""Lists under a parent, with their objects in collections or inside the parent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stripe_sandbox.errors import ApiError, bad_request, no_such
from stripe_sandbox.lists import list_query, paging
from stripe_sandbox.lists.list_query import ListQuery
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.requests.router import Match
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.nested_lists import EMBEDDED_LISTS
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.resource_spec import NestedList
from stripe_sandbox.resources.sdk_schema import Schema
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import (
    HIDDEN_BY_TEST_CLOCK,
    Doc,
    StoredObject,
    reference_id,
)

_UNLIMITED = 1 << 30


@dataclass(frozen=True, slots=True)
class ChildList:
    """The list of one parent that a request names."""

    nested_list: NestedList
    store: AccountStore
    parent_id: str
    parent: Doc

    def not_found(self, child_id: str) -> ApiError:
        """The 404 of a child that does not exist."""
        nested_list = self.nested_list
        return no_such(nested_list.child_noun, child_id, param=nested_list.id_param)

    def data(self) -> list[Doc]:
        """The children that are stored inside the parent, in its order."""
        return list((self.parent.get(self.nested_list.field) or {}).get("data") or [])

    def find_stored(self, child_id: str) -> StoredObject | None:
        """A child in a collection of its own."""
        for kind in self.nested_list.objects:
            key = f"{self.parent_id}/{child_id}" if RESOURCES[kind].id_scope else child_id
            stored = self.store[kind].by_id.get(key)
            owner = stored.doc().get(self.nested_list.owner) if stored is not None else None
            if stored is not None and reference_id(owner) == self.parent_id:
                return stored
        return None

    def child(self, child_id: str) -> Doc:
        """One whole child.

        Raises:
            ApiError: 404, the parent has no such child.
        """
        if self.nested_list.owner:
            stored = self.find_stored(child_id)
            found = stored.doc() if stored is not None else None
        else:
            found = next((doc for doc in self.data() if doc.get("id") == child_id), None)
        if found is None:
            raise self.not_found(child_id)
        return found


def schemas(nested_list: NestedList) -> Mapping[str, Schema]:
    """The parameters of a list under a parent."""
    own = sdk_schema.params(nested_list.parent, f"list_{nested_list.list_name}")
    if not nested_list.paginated:
        return own or {}
    if own is None:
        return list_query.list_schemas(RESOURCES[nested_list.objects[0]])
    return {**form_parameters.PAGING, **own}


def find(match: Match, store: AccountStore, given: Mapping[str, Any]) -> ChildList:
    """Find the list of a request, whose URL or parameter names the parent, or one of its children.

    Raises:
        ApiError: 404 no such parent or child; 400 a parameter is missing, or names no parent.
    """
    nested_list = match.nested_list
    if not nested_list.parent_in_params:
        parent_id = match.ids[0]
    elif match.ids:
        child = store.find_embedded(nested_list.objects[0], match.ids[0]) or {}
        named = child.get(nested_list.parent)
        parent_id = str(named or _parent_id_of(nested_list, store, match.ids[0]))
    else:
        form_parameters.require_params(given, frozenset((nested_list.parent,)))
        parent_id = str(given[nested_list.parent])
    parent = _parent(nested_list, store, parent_id)
    if parent is None and nested_list.parent_in_params and match.ids:
        raise no_such(nested_list.child_noun, match.ids[0], param=nested_list.id_param)
    if parent is None:
        noun = nested_list.parent.replace("_", " ")
        status = 400 if nested_list.parent_in_params else 404
        raise no_such(noun, parent_id, param=nested_list.parent, status=status)
    if nested_list.access_rule:
        _ACCESS_RULES[nested_list.access_rule](parent)
    return ChildList(nested_list, store, parent_id, parent)


def _parent_id_of(nested_list: NestedList, store: AccountStore, child_id: str) -> str:
    parents = store[nested_list.parent].index(f"{nested_list.field}.data.id", child_id)
    return parents[0].id if parents else ""


def _parent(nested_list: NestedList, store: AccountStore, parent_id: str) -> Doc | None:
    if nested_list.parent in EMBEDDED_LISTS:
        return store.find_embedded(nested_list.parent, parent_id)
    stored = store[nested_list.parent].by_id.get(parent_id)
    if stored is None and nested_list.parent == "invoice":
        return store.previews.get(parent_id)
    return None if stored is None else stored.doc()


def parse(nested_list: NestedList, tree: Mapping[str, Any]) -> ListQuery:
    """Parse the parameters of a list under a parent.

    Raises:
        ApiError: 400, a parameter is unknown or has another type.
    """
    query = list_query.parse(RESOURCES[nested_list.objects[0]], tree, schemas(nested_list))
    query.hidden_mask &= ~HIDDEN_BY_TEST_CLOCK
    query.limit = query.limit if nested_list.paginated else _UNLIMITED
    return query


def stored_page(found: ChildList, query: ListQuery) -> tuple[list[StoredObject], bool]:
    """One page of children in collections of their own.

    Raises:
        ApiError: 400, the cursor is not in the list.
    """
    nested_list = found.nested_list
    query.checks.extend(paging.equality(path, value) for path, value in query.equals)
    children = found.store.children_of(nested_list.objects, nested_list.owner, found.parent_id)
    return paging.page_of(children, found.find_stored, query, nested_list.child_noun)


def embedded_page(found: ChildList, query: ListQuery) -> tuple[list[Doc], bool]:
    """One page of children that are stored inside the parent, in its order.

    Raises:
        ApiError: 400, the cursor is not in the list.
    """
    data = found.data()
    cursor = query.after or query.before
    if cursor is None:
        return data[: query.limit], len(data) > query.limit
    at = next((n for n, doc in enumerate(data) if doc.get("id") == cursor), -1)
    if at < 0:
        param = "starting_after" if query.after else "ending_before"
        raise no_such(found.nested_list.child_noun, cursor, param=param, status=400)
    if query.after:
        rest = data[at + 1 :]
        return rest[: query.limit], len(rest) > query.limit
    first = max(0, at - query.limit)
    return data[first:at], first > 0


def url(found: ChildList) -> str:
    """The URL of the list."""
    embedded = found.parent.get(found.nested_list.field) if found.nested_list.field else None
    stored_url = embedded.get("url") if isinstance(embedded, dict) else None
    return str(stored_url or found.nested_list.url(found.parent_id))


def _require_platform_controls(account: Doc) -> None:
    controller = account.get("controller") or {}
    by_stripe = controller.get("requirement_collection") == "stripe"
    if by_stripe or controller.get("type") == "account":
        raise ApiError(
            403,
            "You cannot perform this request as you do not have Platform Controls on the account "
            f"{account['id']}.",
        )


def _require_legacy_metering(item: Doc) -> None:
    recurring = (item.get("price") or {}).get("recurring") or {}
    if recurring.get("usage_type") != "metered" or recurring.get("meter"):
        message = (
            f"Cannot list usage record summaries for {item['id']} because it is not on the legacy "
            "metered billing system."
        )
        raise bad_request(message)


_ACCESS_RULES: Mapping[str, Callable[[Doc], None]] = {
    "platform_controls": _require_platform_controls,
    "legacy_metering": _require_legacy_metering,
}
