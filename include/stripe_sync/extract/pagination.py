"""List endpoints, page by page.

Every reader of a list uses ``paginate``. Only the windowed reader chooses its own cursors: it
calls ``fetch_page``, the request for one page.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stripe_sync.client import Permit
from stripe_sync.errors import CursorVanished, EventCursorExpired
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject

PAGE_SIZE = 100
"""Stripe's largest page."""


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A list endpoint with everything but the cursor.

    Attributes:
        path: Template, ``/v1/customers/{customer}/tax_ids``.
        path_params: Values of the placeholders.
        params: Filters.
        expand: Fields to expand in the objects, without ``data.``.
        api_version: Stripe-Version, None for the client's own.
        page_size: Objects per page, None where the endpoint takes no ``limit``.
    """

    path: str
    path_params: Mapping[str, str] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    expand: tuple[str, ...] = ()
    api_version: str | None = None
    page_size: int | None = PAGE_SIZE


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list.

    Attributes:
        objects: In Stripe's order.
        has_more: Whether there is a next page. False for an empty page, whatever Stripe answers.
        observed_at: When the request was sent.
        restarted: Whether the list begins again with this page, because the object at the cursor
            was deleted. Discard the pages before it, or store their objects a second time.
    """

    objects: list[JsonObject]
    has_more: bool
    observed_at: datetime
    restarted: bool = False


async def fetch_page(
    requester: Requester,
    request: ListRequest,
    cursor: Mapping[str, Any] | None = None,
    *,
    permit: Permit | None = None,
) -> ListPage:
    """Read one page.

    Args:
        requester: Sends the request.
        request: The list.
        cursor: ``starting_after``, and filters beside those of the list.
        permit: As in ``Requester.get``.

    Raises:
        CursorVanished: The object at ``starting_after`` was deleted.
        StripeError: As the client raises it.
    """
    params = {**request.params, **(cursor or {})}
    if request.page_size is not None:
        params["limit"] = request.page_size
    if request.expand:
        params["expand"] = [f"data.{path}" for path in request.expand]
    observed_at = requester.clock.now()
    answer = await requester.get(
        request.path, request.path_params, params, api_version=request.api_version, permit=permit
    )
    objects: list[JsonObject] = answer["data"]
    return ListPage(objects, bool(answer["has_more"] and objects), observed_at)


async def paginate(
    requester: Requester, request: ListRequest, *, after: str | None = None
) -> AsyncGenerator[ListPage, None]:
    """Read a list to its end.

    When the object at the cursor was deleted meanwhile, the list is read again from its beginning
    (``ListPage.restarted``). When a Stripe event at the cursor is older than Stripe's retention,
    so is everything after it: the list ends with an empty page.

    Args:
        requester: Sends the requests.
        request: The list.
        after: Id of the object to continue after, None for the beginning.

    Raises:
        StripeError: As the client raises it.
    """
    restarted = False
    while True:
        try:
            page = await fetch_page(
                requester, request, {"starting_after": after} if after else None
            )
        except CursorVanished:
            if after is None:
                raise
            after, restarted = None, True
            continue
        except EventCursorExpired:
            page = ListPage([], has_more=False, observed_at=requester.clock.now())
        yield ListPage(page.objects, page.has_more, page.observed_at, restarted)
        if not page.has_more:
            return
        after, restarted = page.objects[-1]["id"], False
