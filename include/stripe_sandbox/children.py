"""Lists under a parent: reading them, wherever their objects live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stripe_sandbox import forms, listing, sdk
from stripe_sandbox.entries import HIDDEN_BY_CLOCK, Doc, Entry, plain_id
from stripe_sandbox.errors import ApiError, bad_request, no_such
from stripe_sandbox.listing import ListQuery
from stripe_sandbox.places import EMBEDDED
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.routes import Match
from stripe_sandbox.rows import Place
from stripe_sandbox.sdk import Shape
from stripe_sandbox.store import AccountStore

_WHOLE = 1 << 30


@dataclass(frozen=True, slots=True)
class Family:
    """A parent and the list under it that a request names."""

    place: Place
    store: AccountStore
    parent_id: str
    parent: Doc

    def refused(self, child_id: str) -> ApiError:
        """The 404 of a child that is not there."""
        noun = self.place.objects[0].replace("_", " ")
        return no_such(noun, child_id, param=self.place.key)

    def data(self) -> list[Doc]:
        """The children that live inside of the parent, in its order."""
        return list((self.parent.get(self.place.field) or {}).get("data") or [])

    def entry(self, child_id: str) -> Entry | None:
        """A child that lives in a collection of its own."""
        for kind in self.place.objects:
            scoped = RESOURCES[kind].scope
            key = f"{self.parent_id}/{child_id}" if scoped else child_id
            entry = self.store[kind].by_id.get(key)
            if entry is not None and plain_id(entry.doc().get(self.place.owner)) == self.parent_id:
                return entry
        return None

    def child(self, child_id: str) -> Doc:
        """One child, whole.

        Raises:
            ApiError: 404, the parent has no such child.
        """
        if self.place.owner:
            entry = self.entry(child_id)
            found = entry.doc() if entry is not None else None
        else:
            found = next((doc for doc in self.data() if doc.get("id") == child_id), None)
        if found is None:
            raise self.refused(child_id)
        return found


def shapes(place: Place) -> Mapping[str, Shape]:
    """The parameters that a list under a parent accepts."""
    own = sdk.params(place.parent, f"list_{place.segment}")
    if not place.paged:
        return own or {}
    if own is None:
        return listing.list_shapes(RESOURCES[place.objects[0]])
    return {**forms.PAGING, **own}


def family(match: Match, store: AccountStore, given: Mapping[str, Any]) -> Family:
    """The parent that a request names, in its URL, by a parameter or by one of its children.

    Raises:
        ApiError: 404 no such parent or child; 400 a parameter is missing, or names no parent.
    """
    place = match.route.place
    assert place is not None  # noqa: S101 - only such routes come here
    if not place.by_parameter:
        parent_id = match.ids[0]
    elif match.ids:
        child = store.inside(place.objects[0], match.ids[0]) or {}
        parent_id = str(child.get(place.parent) or _holder(place, store, match.ids[0]))
    else:
        forms.require(given, frozenset((place.parent,)))
        parent_id = str(given[place.parent])
    parent = _parent(place, store, parent_id)
    if parent is None and place.by_parameter and match.ids:
        raise no_such(place.objects[0].replace("_", " "), match.ids[0], param=place.key)
    if parent is None:
        status = 400 if place.by_parameter else 404
        raise no_such(place.parent.replace("_", " "), parent_id, param=place.parent, status=status)
    if place.guard:
        _GUARDS[place.guard](parent)
    return Family(place, store, parent_id, parent)


def _holder(place: Place, store: AccountStore, child_id: str) -> str:
    entries = store[place.parent].index(f"{place.field}.data.id", child_id)
    return entries[0].id if entries else ""


def _parent(place: Place, store: AccountStore, parent_id: str) -> Doc | None:
    if place.parent in EMBEDDED:
        return store.inside(place.parent, parent_id)
    entry = store[place.parent].by_id.get(parent_id)
    if entry is None and place.parent == "invoice":
        return store.previews.get(parent_id)
    return None if entry is None else entry.doc()


def parse(place: Place, tree: Mapping[str, Any]) -> ListQuery:
    """Understand the parameters of a list under a parent.

    Raises:
        ApiError: 400, a parameter is unknown or does not fit.
    """
    query = listing.parse(RESOURCES[place.objects[0]], tree, shapes(place))
    query.mask &= ~HIDDEN_BY_CLOCK
    query.limit = query.limit if place.paged else _WHOLE
    return query


def entries(found: Family, query: ListQuery) -> tuple[list[Entry], bool]:
    """One page of children that live in collections of their own.

    Raises:
        ApiError: 400, the cursor is not in the list.
    """
    place = found.place
    query.checks.extend(listing.equal(path, value) for path, value in query.equals)
    mine = found.store.owned(place.objects, place.owner, found.parent_id)
    noun = place.objects[0].replace("_", " ")
    return listing.turn(mine, found.entry, query, noun)


def page(found: Family, query: ListQuery) -> tuple[list[Doc], bool]:
    """One page of children that live inside of the parent, in the order the parent has them.

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
        noun = found.place.objects[0].replace("_", " ")
        raise no_such(noun, cursor, param=param, status=400)
    if query.after:
        rest = data[at + 1 :]
        return rest[: query.limit], len(rest) > query.limit
    first = max(0, at - query.limit)
    return data[first:at], first > 0


def url(found: Family) -> str:
    """What the list says of its own address."""
    held = found.parent.get(found.place.field) if found.place.field else None
    given = held.get("url") if isinstance(held, dict) else None
    return str(given or found.place.url(found.parent_id))


def _controlled(account: Doc) -> None:
    controller = account.get("controller") or {}
    stripes = controller.get("requirement_collection") == "stripe"
    if stripes or controller.get("type") == "account":
        raise ApiError(
            403,
            "You cannot perform this request as you do not have Platform Controls on the account "
            f"{account['id']}.",
        )


def _metered(item: Doc) -> None:
    recurring = (item.get("price") or {}).get("recurring") or {}
    if recurring.get("usage_type") != "metered" or recurring.get("meter"):
        message = (
            f"Cannot list usage record summaries for {item['id']} because it is not on the legacy "
            "metered billing system."
        )
        raise bad_request(message)


_GUARDS: Mapping[str, Callable[[Doc], None]] = {"controlled": _controlled, "metered": _metered}
