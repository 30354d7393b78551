"""Routes that read the record and the event stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse

from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.rights import READ
from stripe_airflow.api.routing import Route
from stripe_airflow.api.streams.answers import item_answer, page_answer
from stripe_airflow.api.streams.disconnect import unless_gone
from stripe_airflow.api.streams.live import HEADERS, live_events
from stripe_airflow.api.streams.models import EventPage, Record, RecordPage
from stripe_airflow.api.streams.process import streams
from stripe_sync import Selection, StreamCursor, StreamPage

router = APIRouter(prefix="/v1", tags=["streams"], route_class=Route, dependencies=[READ])

_MOST_MILLISECONDS = 30_000

SyncIds = Annotated[
    list[str] | None, Query(description="Id or name of a sync, repeatable. None: all.")
]
CollectionIds = Annotated[
    list[str] | None, Query(description="stripe:customer …, repeatable. None: all.")
]
EventTypes = Annotated[
    list[str] | None, Query(description="created, updated, deleted; repeatable. None: all.")
]
ResourceId = Annotated[str | None, Query(description="A Stripe account and mode.")]
UpstreamId = Annotated[str | None, Query(description="Stripe's id of one object.")]
AfterCursor = Annotated[
    str | None, Query(description="`cursor` of the page before. None: from the beginning.")
]
Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of the page.")]
WaitFor = Annotated[
    int,
    Query(
        ge=0,
        le=_MOST_MILLISECONDS,
        description="How long to wait for the first item where there is none, in milliseconds.",
    ),
]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins, how long it may be, and how long it may wait."""

    after: StreamCursor
    limit: int
    wait_seconds: float


# Asynchronous like the routes: FastAPI runs others in threads that Airflow's routes need.


async def _position(
    after_cursor: AfterCursor = None, limit: Limit = 100, wait_for: WaitFor = 0
) -> Position:
    after = StreamCursor() if after_cursor is None else StreamCursor.parse(after_cursor)
    return Position(after, limit, wait_for / 1000)


async def _records(
    sync_id: SyncIds = None,
    resource_id: ResourceId = None,
    collection_id: CollectionIds = None,
    upstream_id: UpstreamId = None,
) -> Selection:
    return Selection.of(
        "records",
        syncs=sync_id or (),
        resource_id=resource_id,
        collections=collection_id or (),
        upstream_id=upstream_id,
    )


async def _events(
    sync_id: SyncIds = None,
    resource_id: ResourceId = None,
    collection_id: CollectionIds = None,
    upstream_id: UpstreamId = None,
    event_type: EventTypes = None,
) -> Selection:
    return Selection.of(
        "events",
        syncs=sync_id or (),
        resource_id=resource_id,
        collections=collection_id or (),
        upstream_id=upstream_id,
        event_types=event_type or (),
    )


PagePosition = Annotated[Position, Depends(_position)]
Records = Annotated[Selection, Depends(_records)]
Events = Annotated[Selection, Depends(_events)]


@router.get("/records", response_model=RecordPage)
async def read_records(request: Request, selection: Records, position: PagePosition) -> Response:
    """A page of the record stream: each object once, at the place of its last change.

    Read pages until `has_more` is false; go on with the last cursor, and nothing is missed,
    whatever is written meanwhile. Deleted objects stay, with `deleted: true`.
    """
    page = await _page(request, selection, position)
    return await page_answer(request, "records", page)


@router.get("/records/{collection_id}/{upstream_id:path}", response_model=Record)
async def read_record(
    collection_id: str,
    upstream_id: str,
    *,
    request: Request,
    sync_id: Annotated[
        str | None, Query(description="Its sync; needed where several have it.")
    ] = None,
    wait_for_seq: Annotated[
        int | None,
        Query(ge=0, description="Wait until the streams of the sync have this position."),
    ] = None,
    wait_for: WaitFor = _MOST_MILLISECONDS,
) -> Response:
    """One record. `wait_for_seq` with the `seq` of a mutation reads what was written."""
    reader = await streams().waiting_place()
    record = reader.record(
        collection_id,
        upstream_id,
        sync=sync_id,
        seq=wait_for_seq or 0,
        wait_seconds=wait_for / 1000,
    )
    try:
        return await item_answer(request, await unless_gone(request, record))
    except TimeoutError as error:
        raise ApiError(504, "stream_behind", str(error), param="wait_for_seq") from error


@router.get("/events", response_model=EventPage)
async def read_events(request: Request, selection: Events, position: PagePosition) -> Response:
    """A page of the event stream: each change, with the old values of what changed."""
    page = await _page(request, selection, position)
    return await page_answer(request, "events", page)


@router.get(
    "/events/live",
    response_class=StreamingResponse,  # FastAPI expects a generator where it is the other class
    responses={
        200: {
            "description": "A message for each change event, with the cursor after it as its id.",
            "content": {"text/event-stream": {}},
        }
    },
)
async def follow_events(
    selection: Events,
    after_cursor: AfterCursor = None,
    last_event_id: Annotated[
        str | None, Header(description="The cursor, where a browser reconnects.")
    ] = None,
) -> Response:
    """The event stream as Server-Sent Events, from now on or after a cursor.

    It ends after ten minutes; browsers go on by themselves, others with `Last-Event-ID`.
    """
    reader = await streams().waiting_place()
    text = last_event_id or after_cursor
    given = StreamCursor.parse(text) if text else None
    now = await reader.start(selection, "new")  # names a sync that is not there
    cursor = given or now
    return EventSourceResponse(live_events(reader, selection, cursor), headers=HEADERS)


async def _page(request: Request, selection: Selection, position: Position) -> StreamPage:
    seconds = position.wait_seconds
    reader = await (streams().waiting_place() if seconds else streams().get())
    page = reader.page(selection, position.after, limit=position.limit, wait_seconds=seconds)
    return await (unless_gone(request, page) if seconds else page)
