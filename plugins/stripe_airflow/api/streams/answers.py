"""Answers of the streams, written from JSON that the warehouse made."""

from __future__ import annotations

import gzip
from collections.abc import Sequence

import anyio
import orjson
from fastapi import Request, Response

from stripe_sync import StreamItem, StreamPage

_JSON = "application/json"
_COMPRESSED_BYTES = 1024


async def page_answer(request: Request, name: str, page: StreamPage) -> Response:
    """A page; its items are in the field ``name``."""
    rest = orjson.dumps({"cursor": str(page.cursor), "has_more": page.has_more})
    body = b'{"%s":[%s],%s' % (name.encode(), b",".join(_bodies(page.items)), rest[1:])
    return await json_answer(request, body)


async def item_answer(request: Request, item: StreamItem) -> Response:
    """One item."""
    return await json_answer(request, item.body)


def _bodies(items: Sequence[StreamItem]) -> list[bytes]:
    return [item.body for item in items]


async def json_answer(request: Request, body: bytes) -> Response:
    """A body of JSON, compressed if the caller takes that.

    Airflow compresses what is not, at a level that takes four times as long as reading the page.
    """
    headers = {"Vary": "Accept-Encoding"}
    if len(body) >= _COMPRESSED_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = await anyio.to_thread.run_sync(_compressed, body)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=_JSON, headers=headers)


def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=1, mtime=0)
