"""Change events as Server-Sent Events."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from stripe_sync import Selection, StreamCursor, StreamReader, StripeSyncError

log = logging.getLogger(__name__)

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Proxies must not hold messages back."""

_PING_SECONDS = 15.0
_LONGEST_SECONDS = 600.0
"""Then the caller connects, and is authorized, again."""

_LIMIT = 250


async def live_events(
    reader: StreamReader, selection: Selection, cursor: StreamCursor
) -> AsyncIterator[bytes]:
    """Messages until the longest time is over or the server stops.

    The id of each is the cursor after it, so that nothing comes twice after a reconnection. Where
    nothing happens, a comment every 15 seconds keeps proxies from closing the connection.

    Args:
        reader: Of the process.
        selection: What to send.
        cursor: After which to begin.
    """
    end = time.monotonic() + _LONGEST_SECONDS
    yield KEEPALIVE_COMMENT  # sends the head of the answer
    while time.monotonic() < end and not reader.is_closed:
        try:
            page = await reader.page(selection, cursor, limit=_LIMIT, wait_seconds=_PING_SECONDS)
        except StripeSyncError as error:
            # The caller connects again, and gets the error as an answer while it lasts.
            log.warning("A live stream ends: %s", error)
            return
        for item in page.items:
            cursor = cursor.moved(item.sync_id, item.seq)
            yield format_sse_event(data_str=item.body.decode(), id=str(cursor))
        cursor = page.cursor
        if not page.items:
            yield KEEPALIVE_COMMENT
