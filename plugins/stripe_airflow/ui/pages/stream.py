"""The stream page: change events as they come, and those before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import anyio
from fastapi import Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT

from stripe_airflow.api.streams.live import HEADERS, LivePages, message
from stripe_airflow.api.streams.process import streams
from stripe_airflow.ui.known_syncs import all_syncs, by_name
from stripe_airflow.ui.payloads.changes import shown_change
from stripe_airflow.ui.rendering import render
from stripe_airflow.ui.routing import page_router
from stripe_airflow.ui.shared import task_once_a_second
from stripe_airflow.ui.viewer import CurrentViewer
from stripe_sync import (
    RecentPage,
    Selection,
    StreamCursor,
    StreamItem,
    StreamReader,
    StripeSyncError,
    load_catalog,
)

router = page_router()

PAGE = 50
"""Change events of a page, and the most of a message of the live stream."""

_SECONDS = 1.0
"""Between two messages of a live stream."""

_EVENT_TYPES = ("created", "updated", "deleted")


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of the page, as the address has them.

    Attributes:
        sync: Name of a sync.
        collection: ``stripe:customer``.
        event_type: ``created``, ``updated`` or ``deleted``.
        object_id: Stripe's id of an object.
    """

    sync: str | None
    collection: str | None
    event_type: str | None
    object_id: str | None

    @property
    def query(self) -> dict[str, str | None]:
        """The query of a link with the same filters."""
        return {
            "sync": self.sync,
            "collection": self.collection,
            "event_type": self.event_type,
            "object_id": self.object_id,
        }

    @property
    def selection(self) -> Selection:
        """The part of the stream that they leave.

        Raises:
            ConfigurationError: One can never be met.
        """
        return Selection.of(
            "events",
            syncs=[self.sync] if self.sync else (),
            collections=[self.collection] if self.collection else (),
            upstream_id=self.object_id,
            event_types=[self.event_type] if self.event_type else (),
        )


async def _filters(
    sync: str = "", collection: str = "", event_type: str = "", object_id: str = ""
) -> Filters:
    given = (text.strip() or None for text in (sync, collection, event_type, object_id))
    return Filters(*given)


CurrentFilters = Annotated[Filters, Depends(_filters)]


@router.get("/stream")
async def stream(
    request: Request,
    viewer: CurrentViewer,
    filters: CurrentFilters,
    before: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The newest change events, and the live stream after them; or those before a page."""
    page = await _recent(await streams().get(), filters.selection, before or None)
    syncs = await anyio.to_thread.run_sync(all_syncs)
    return await anyio.to_thread.run_sync(
        lambda: render(
            request,
            "stream.html",
            viewer=viewer,
            filters=filters,
            syncs=by_name(syncs.values()),
            collections=list(load_catalog().values()),
            event_types=_EVENT_TYPES,
            changes=[shown_change(each.item, syncs) for each in page.events],
            before=page.before,
            after=None if before else str(page.ends),
        )
    )


@router.get("/stream/live", response_class=StreamingResponse)
async def live(
    request: Request,
    _viewer: CurrentViewer,
    filters: CurrentFilters,
    after: str = "",
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Change events as they come, as parts of the page."""
    selection = filters.selection
    reader = await streams().waiting_place()
    text = last_event_id or after
    given = StreamCursor.parse(text) if text else None
    now = await reader.start(selection, "new")  # names a sync that is not there
    messages = live_parts(request, reader, selection, given or now)
    return StreamingResponse(messages, media_type="text/event-stream", headers=HEADERS)


async def live_parts(
    request: Request, reader: StreamReader, selection: Selection, cursor: StreamCursor
) -> AsyncIterator[bytes]:
    """A message a second at most, with the newest change events and the number of those left out.

    The id of each is the cursor after it, so that nothing comes twice after a reconnection.
    """
    yield KEEPALIVE_COMMENT  # sends the head of the answer
    pages = LivePages(reader, selection, cursor)
    sent_at = 0.0
    async for page in pages.read(limit=PAGE):
        items, left_out = page.items[::-1], 0
        if items and page.has_more:
            try:
                items, left_out = await _newest(reader, selection, pages, cursor)
            except StripeSyncError:
                return  # the browser connects again, and gets the error as an answer
        if items:
            sent_at = time.monotonic()
            part = await _part(request, items, left_out)
            yield message(part, pages.cursor)
        else:
            # An id alone: after a reconnection nothing is searched again.
            yield KEEPALIVE_COMMENT + b"id: %s\n\n" % str(pages.cursor).encode()
        cursor = pages.cursor
        await asyncio.sleep(max(0.0, sent_at + _SECONDS - time.monotonic()))


async def _newest(
    reader: StreamReader, selection: Selection, pages: LivePages, cursor: StreamCursor
) -> tuple[list[StreamItem], int]:
    """The newest change events where more have come than a message has, and how many others."""
    recent = await _recent(reader, selection, None)
    items = [
        each.item
        for each in recent.events
        if each.item.seq > cursor.positions.get(each.item.sync_id, 0)
    ]
    count = await reader.count(selection, cursor, recent.ends)
    # The page of the newest may be a second old, and must not bring the reader back.
    ends = {
        sync: max(end, cursor.positions.get(sync, 0)) for sync, end in recent.ends.positions.items()
    }
    pages.cursor = StreamCursor({**cursor.positions, **ends})
    return items, max(0, count - len(items))


async def _part(request: Request, items: list[StreamItem], left_out: int) -> bytes:
    def part() -> bytes:
        syncs = all_syncs()
        changes = [shown_change(item, syncs) for item in items]
        page = render(request, "stream_live.html", changes=changes, left_out=left_out)
        return bytes(page.body)

    return await anyio.to_thread.run_sync(part)


@task_once_a_second
async def _recent(reader: StreamReader, selection: Selection, before: str | None) -> RecentPage:
    return await reader.recent(selection, before=before, limit=PAGE)
