"""List endpoints, page by page.

Every reader of a list uses ``paginate``. Only ``lists/concurrent_ranges.py`` has cursors of its
own: it calls ``fetch_page``, the request for one page.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from stripe_sync.client import Permit
from stripe_sync.clock import from_unix, is_moment, to_unix
from stripe_sync.errors import (
    CursorVanished,
    EventCursorExpired,
    NoProgress,
    StripeError,
    StripeUnavailable,
    UnusableAnswer,
)
from stripe_sync.extract.lists.page_size import PAGE_SIZE, PageSize
from stripe_sync.extract.lists.pass_over import find_unreadable
from stripe_sync.extract.refusals import Lack
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject

log = logging.getLogger(__name__)

EARLIEST = 1_262_304_000
"""2010-01-01, before Stripe existed."""

_DAY = 86_400
_NEVER = 1 << 62

MAX_RESTARTS = 20
"""Times that a list begins again because the object at its cursor was deleted."""


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
        by_time: Whether it can be filtered by time of creation.
        collection_id: Collection that objects which Stripe cannot return are counted for.
    """

    path: str
    path_params: Mapping[str, str] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    expand: tuple[str, ...] = ()
    api_version: str | None = None
    page_size: int | None = PAGE_SIZE
    by_time: bool = False
    collection_id: str = ""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list.

    Attributes:
        objects: In Stripe's order; what is no object with an id is among them.
        has_more: Whether there is a next page.
        observed_at: When the request was sent.
        restarted: Whether the list begins again with this page, because the object at the cursor
            was deleted. Discard the pages before it, or store their objects a second time.
        before: Unix seconds; the next page begins with older objects, without a cursor, because
            Stripe cannot return the object after this page. None where the last object is the
            cursor.
    """

    objects: list[Any]
    has_more: bool
    observed_at: datetime
    restarted: bool = False
    before: int | None = None

    @property
    def last_id(self) -> str | None:
        """The cursor of the next page; None where no object has an id."""
        ids = (id_of(obj) for obj in reversed(self.objects))
        return next((name for name in ids if name), None)


async def fetch_page(
    requester: Requester,
    request: ListRequest,
    cursor: Mapping[str, Any] | None = None,
    *,
    permit: Permit | None = None,
    reached: int | None = None,
) -> ListPage:
    """Read one page; where it does not arrive, a page of half as many objects, down to one.

    A single object that does not arrive is passed over, where the list can be filtered by time;
    else the list ends before it, and the refusals name what is left out.

    Args:
        requester: Sends the request.
        request: The list.
        cursor: ``starting_after``, and filters beside those of the list.
        permit: As in ``Requester.get_page``.
        reached: Unix seconds at which the object at the cursor was created.

    Raises:
        CursorVanished: The object at ``starting_after`` was deleted.
        NoProgress: The page begins before the cursor, or has no object to continue after.
        StripeError: As the client raises it.
    """
    if request.page_size is None:
        return await _ask(requester, request, cursor or {}, permit)
    size = requester.page_sizes.setdefault(request.path, PageSize(request.page_size))
    while True:
        limit = size.limit
        params = {**(cursor or {}), "limit": limit}
        try:
            # Where an object is known to be unreadable, patience does not help.
            may_shrink = limit > 1 or bool(requester.unreadable.get(request.path))
            page = await _ask(requester, request, params, permit, may_shrink=may_shrink)
        except (StripeUnavailable, UnusableAnswer) as error:
            if limit == 1 and request.by_time:
                return await _pass_over(requester, request, cursor or {}, reached, error)
            if limit == 1:
                return await _leave_out_rest(requester, request, cursor or {}, error)
            log.info("Asking for fewer than %s objects of %s: %s", limit, request.path, error)
            size.shrink(limit)
            continue
        size.grow(limit)
        return page


async def _ask(
    requester: Requester,
    request: ListRequest,
    params: Mapping[str, Any],
    permit: Permit | None,
    *,
    may_shrink: bool = False,
) -> ListPage:
    query = {**request.params, **params}
    if request.expand:
        query["expand"] = [f"data.{path}" for path in request.expand]
    observed_at = requester.clock.now()
    answer = await requester.get_page(
        request.path,
        request.path_params,
        query,
        api_version=request.api_version,
        permit=permit,
        may_shrink=may_shrink,
    )
    page = ListPage(answer["data"], answer["has_more"], observed_at)
    after = params.get("starting_after")
    if after and any(id_of(obj) == after for obj in page.objects):
        message = f"{request.path}: the page after {after} begins before it: the list never ends"
        raise NoProgress(message)
    if page.has_more and page.last_id is None:
        message = f"{request.path}: no object of a page has an id to continue after"
        raise NoProgress(message)
    return page


async def _leave_out_rest(
    requester: Requester, request: ListRequest, cursor: Mapping[str, Any], error: StripeError
) -> ListPage:
    """The end of a list whose next object does not arrive: it hides the cursor of the others.

    Raises:
        StripeError: Stripe does not answer at all, the caller tries the same again soon, or the
            list belongs to one object: that object is named instead.
    """
    # Part of a child list would make the other children look deleted, and a cut list whole.
    is_of_collection = bool(request.collection_id) and not request.path_params
    if requester.refusals.final_only or not is_of_collection or "starting_after" not in cursor:
        raise error
    await requester.check_answers()
    source = f"the objects after {cursor['starting_after']} of {request.path}"
    log.warning("%s are left out: %s", source, error)
    requester.refusals.add(Lack.LIST, source, error)
    return ListPage([], has_more=False, observed_at=requester.clock.now())


async def _pass_over(
    requester: Requester,
    request: ListRequest,
    cursor: Mapping[str, Any],
    reached: int | None,
    error: StripeError,
) -> ListPage:
    """The page after an object that Stripe cannot return.

    Raises:
        StripeError: Nothing arrives at all: the object is not the cause.
    """
    observed_at = requester.clock.now()
    bounds = {**request.params.get("created", {}), **cursor.get("created", {})}
    start = bounds.get("gte", EARLIEST)
    end = min(bounds.get("lt", to_unix(observed_at) + _DAY), reached or _NEVER)

    async def read(first: int, last: int, above: str | None) -> list[Any] | None:
        params: JsonObject = {"created": {"gte": first, "lt": last}, "limit": 1}
        if above:
            params["ending_before"] = above
        try:
            return (await _ask(requester, request, params, None, may_shrink=True)).objects
        except (StripeUnavailable, UnusableAnswer):
            return None

    known = requester.unreadable.setdefault(request.path, set())
    found = await find_unreadable(read, start, end, cursor.get("starting_after"), known)
    if found is None:
        raise error
    known.add(found.created)
    reason = (
        f"Stripe cannot return the object of {request.path} that was created at"
        f" {from_unix(found.created).isoformat()}: {error}"
    )
    lost = {"object": request.path, "created": found.created}
    requester.set_aside.add(
        request.collection_id, lost, reason, observed_at=observed_at, missing=True
    )
    has_more = found.created > start
    return ListPage(found.older, has_more, observed_at, before=found.created)


def _created(page: ListPage) -> int | None:
    """When the last object of a page was created."""
    created = page.objects[-1].get("created") if page.last_id else None
    return created if is_moment(created) else None


def id_of(obj: Any) -> str | None:
    """The id of an object in a list; None for what is no object with an id."""
    found = obj.get("id") if isinstance(obj, dict) else None
    return found if isinstance(found, str) and found else None


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
        NoProgress: The list never ends.
        StripeError: As the client raises it.
    """
    restarted, restarts = False, 0
    cursors: set[str] = set()
    reached: int | None = None
    while True:
        cursor: JsonObject = {"starting_after": after} if after else {}
        try:
            page = await fetch_page(requester, request, cursor, reached=reached)
        except CursorVanished:
            if after is None:
                raise
            restarts += 1
            if restarts > MAX_RESTARTS:
                raise
            after, restarted = None, True
            cursors.clear()
            continue
        except EventCursorExpired:
            page = ListPage([], has_more=False, observed_at=requester.clock.now())
        yield replace(page, restarted=restarted)
        if not page.has_more:
            return
        reached = _created(page) or reached
        if page.before is not None:
            bounds = {**request.params.get("created", {}), "lt": page.before}
            request = replace(request, params={**request.params, "created": bounds})
            after, restarted, reached = None, False, page.before
            continue
        after, restarted = page.last_id, False
        if after in cursors:
            message = f"{request.path}: the pages up to {after} come again: the list never ends"
            raise NoProgress(message)
        cursors.add(str(after))
