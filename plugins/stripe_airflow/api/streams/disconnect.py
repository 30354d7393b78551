"""Callers who go away while they wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request

from stripe_airflow.api.errors import ApiError

Result = TypeVar("Result")


async def unless_gone(
    request: Request,
    work: Coroutine[Any, Any, Result],
    undo: Callable[[Result], Awaitable[None]] | None = None,
) -> Result:
    """The result of some work, which is cancelled when the caller closes the connection.

    Starlette's ``is_disconnected`` does not notice it below the middlewares of Airflow.

    Args:
        request: The request.
        work: The work.
        undo: What to do with the result where the caller was gone before it was there.

    Raises:
        ApiError: The caller is gone; nobody gets this answer.
    """
    working, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            if undo is None or not gone.done():
                return working.result()
            await undo(working.result())
        raise ApiError(499, "caller_gone", "the caller has closed the connection")
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
