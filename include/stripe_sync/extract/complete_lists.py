"""Completes the lists that Stripe cuts at 10 items inside of objects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

from stripe_sync.extract.pagination import ListRequest, paginate
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject


async def complete_lists(
    requester: Requester,
    objects: Sequence[JsonObject],
    api_version: str | None = None,
    *,
    expand: Sequence[str] = (),
) -> None:
    """Complete the lists embedded at the top level of objects, which Stripe cuts at 10, in place.

    Args:
        requester: Sends the requests. The caller must hold none of its slots.
        objects: Objects as Stripe sent them.
        api_version: Stripe-Version, None for the client's own.
        expand: Fields that are expanded in the objects, ``lines.data.discounts``.

    Raises:
        StripeError: As the client raises it.
    """
    cut = [
        _complete(requester, obj, name, api_version, expand)
        for obj in objects
        for name, value in obj.items()
        if type(value) is dict
        and value.get("object") == "list"
        and value.get("has_more")
        # Without the object's id, which only previews lack, the url lists those of all objects.
        and obj.get("id", "") in value["url"]
    ]
    if cut:
        await asyncio.gather(*cut)


async def _complete(
    requester: Requester,
    obj: JsonObject,
    field_name: str,
    api_version: str | None,
    expand: Sequence[str],
) -> None:
    embedded, owner_id = obj[field_name], obj.get("id")
    url = urlsplit(embedded["url"])
    # Rate limits count by template, so the object's id becomes a placeholder again.
    path = "/".join("{id}" if part == owner_id else part for part in url.path.split("/"))
    below = f"{field_name}.data."
    request = ListRequest(
        path,
        {"id": str(owner_id)} if "{id}" in path else None,
        dict(parse_qsl(url.query)),
        tuple(each.removeprefix(below) for each in expand if each.startswith(below)),
        api_version,
    )
    after = embedded["data"][-1]["id"] if embedded["data"] else None
    async for page in paginate(requester, request, after=after):
        if page.restarted:
            embedded["data"] = []
        embedded["data"] += page.objects
        embedded["has_more"] = page.has_more
