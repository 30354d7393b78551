"""Completes the lists that Stripe cuts at 10 items inside of objects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from stripe_sync.errors import MalformedObject, StripeError
from stripe_sync.extract.pagination import ListRequest, id_of, paginate
from stripe_sync.extract.refusals import Lack, read_each
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject

MAX_LEVELS = 4
"""Levels of objects in objects that are searched for lists: invoice, charges, refunds."""


@dataclass(frozen=True, slots=True)
class _CutList:
    """A list that Stripe cut.

    Attributes:
        items: The list.
        name: Its field.
        owner_id: Id of the object with this field.
        request: Reads it; None where its url does not name its owner and so lists those of all.
        expand: Fields that are expanded in its items.
        level: How many levels of objects are searched in its items.
    """

    items: JsonObject
    name: str
    owner_id: str
    request: ListRequest | None
    expand: tuple[str, ...]
    level: int


async def complete_lists(
    requester: Requester,
    objects: Sequence[JsonObject],
    api_version: str | None = None,
    *,
    expand: Sequence[str] = (),
    from_start: bool = False,
) -> bool:
    """Complete the lists inside of objects, which Stripe cuts at 10, in place.

    These are lists in fields of the objects, of objects that they contain, and of the items of
    their lists.

    A list that Stripe refuses stays as it was: its object is worth more than the rest of the list.

    Args:
        requester: Sends the requests. The caller must hold none of its slots.
        objects: Objects as Stripe sent them.
        api_version: Stripe-Version, None for the client's own.
        expand: Fields that are expanded in the objects, ``lines.data.discounts``.
        from_start: Whether the items of cut lists have ids that Stripe does not know any more, so
            that the lists are read from their beginning.

    Returns:
        Whether all of them are complete.

    Raises:
        MalformedObject: A list is cut and does not say where the rest is.
        StripeError: An error that is not of a single list.
    """
    cut = [
        found
        for obj in objects
        for found in _cut_lists(obj, tuple(expand), api_version, MAX_LEVELS)
    ]
    if not cut:
        return True
    found = await asyncio.gather(
        *(_complete(requester, each, from_start=from_start) for each in cut)
    )
    return all(found)


async def _complete(requester: Requester, cut: _CutList, *, from_start: bool) -> bool:
    """Complete a list and those in its items; whether all of them are complete."""
    request = cut.request
    if request is None:
        return False

    async def whole(known: list[JsonObject]) -> list[JsonObject]:
        items = list(known)
        after = id_of(known[-1]) if known else None
        async for page in paginate(requester, request, after=after):
            if page.restarted or after is None:
                items, after = [], ""
            items += page.objects
        return items

    known = [] if from_start else cut.items["data"]
    refusals, check = requester.refusals, requester.check_answers
    [answer] = await read_each(whole, [known], refusals=refusals, check=check)
    if isinstance(answer, StripeError):
        refusals.add(Lack.FIELD, f"{cut.name} of {request.path}", answer, cut.owner_id)
        return False
    cut.items["data"], cut.items["has_more"] = answer, False
    inner = [
        found
        for item in answer
        if isinstance(item, dict)
        for found in _cut_lists(item, cut.expand, request.api_version, cut.level)
    ]
    found = await asyncio.gather(*(_complete(requester, each, from_start=False) for each in inner))
    return all(found)


def _cut_lists(
    obj: JsonObject, expand: tuple[str, ...], api_version: str | None, levels: int
) -> Iterator[_CutList]:
    """The lists in an object that are cut, except for those in the items of cut lists."""
    for name, value in obj.items():
        # First what most fields are not: this runs for each field of each object.
        if type(value) is not dict or not levels:
            continue
        # The data of a Stripe event is what was: its lists stay as they are.
        kind = value.get("object")
        if not isinstance(kind, str):
            continue
        if kind != "list":
            below = _below(expand, f"{name}.")
            yield from _cut_lists(value, below, api_version, levels - 1)
            continue
        below = _below(expand, f"{name}.data.")
        if value.get("has_more"):
            request = _request(obj, name, value, below, api_version)
            yield _CutList(value, name, str(obj.get("id")), request, below, levels - 1)
            continue
        for item in value.get("data") or ():
            if isinstance(item, dict):
                yield from _cut_lists(item, below, api_version, levels - 1)


def _request(
    owner: JsonObject,
    name: str,
    cut: JsonObject,
    expand: tuple[str, ...],
    api_version: str | None,
) -> ListRequest | None:
    """The request for a list; None where its url does not name its owner: it lists all objects."""
    address, data = cut.get("url"), cut.get("data")
    if not isinstance(address, str) or not isinstance(data, list):
        message = f"its list {name} is cut and does not say where the rest is"
        raise MalformedObject(message)
    url, owner_id = urlsplit(address), owner.get("id")
    parts = [unquote(part) for part in url.path.split("/")]
    filters = dict(parse_qsl(url.query))
    # Only previews of some versions have no id.
    if owner_id is not None and owner_id not in {*parts, *filters.values()}:
        return None
    # Rate limits count by template, so the object's id becomes a placeholder again.
    path = "/".join("{id}" if part == owner_id else part for part in parts)
    ids = {"id": str(owner_id)} if "{id}" in path else None
    return ListRequest(path, ids, filters, expand, api_version)


def _below(expand: Sequence[Any], prefix: str) -> tuple[str, ...]:
    return tuple(each.removeprefix(prefix) for each in expand if each.startswith(prefix))
