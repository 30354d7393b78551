"""Change events as Server-Sent Events."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator

from fastapi.sse import KEEPALIVE_COMMENT

from stripe_sync import Selection, StreamCursor, StreamPage, StreamReader, StripeSyncError

log = logging.getLogger(__name__)

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Proxies must not hold messages back."""

_PING_SECONDS = 15.0
_LONGEST_SECONDS = 600.0
"""Then the caller connects, and is authorized, again."""

_LIMIT = 250
_MOST_BYTES = 1 << 20
"""A page stays in memory until its reader has taken it: a thousand slow ones have one each."""


class LivePages:
    """Pages of a stream as they come, until the longest time is over or the server stops.

    Args:
        reader: Of the process.
        selection: What to read.
        cursor: After which to begin.

    Attributes:
        cursor: After which the next page begins; who reads may move it.
    """

    def __init__(self, reader: StreamReader, selection: Selection, cursor: StreamCursor) -> None:
        self.cursor = cursor
        self._reader = reader
        self._selection = selection

    async def read(self, limit: int = _LIMIT) -> AsyncIterator[StreamPage]:
        """The pages; an empty one after 15 seconds without items, for a sign of life."""
        end = time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < end and not self._reader.is_closed:
            try:
                page = await self._reader.page(
                    *(self._selection, self.cursor),
                    limit=limit,
                    max_bytes=_MOST_BYTES,
                    wait_seconds=_PING_SECONDS,
                )
            except StripeSyncError as error:
                # The caller connects again, and gets the error as an answer while it lasts.
                log.warning("A live stream ends: %s", error)
                return
            self.cursor = page.cursor
            yield page


def message(data: bytes, cursor: StreamCursor) -> bytes:
    """A message with its id. FastAPI's function also breaks lines at U+2028 and the like."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"".join(b"data: %s\n" % line for line in lines) + b"id: %s\n\n" % str(cursor).encode()


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
    yield KEEPALIVE_COMMENT  # sends the head of the answer
    async for page in LivePages(reader, selection, cursor).read():
        for item in page.items:
            cursor = cursor.moved(item.sync_id, item.seq)
            yield message(item.body, cursor)
        cursor = page.cursor
        if not page.items:
            yield KEEPALIVE_COMMENT
