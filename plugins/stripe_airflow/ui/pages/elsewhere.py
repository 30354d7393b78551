"""Addresses without a page: mistyped ones, and those of a page with a slash at the end."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from stripe_airflow.api.errors import ApiError
from stripe_airflow.ui.rendering import Links
from stripe_airflow.ui.routing import page_router

router = page_router()
"""After all other routes of the console."""


@router.get("/{path:path}")
async def elsewhere(request: Request, path: str) -> Response:
    """The page without the slash, or an error page.

    The address is a path: behind a proxy the server may not know scheme and host of its own.
    """
    if not path or path.endswith("/"):
        page = Links(request).page("/" + quote(path.strip("/")) if path.strip("/") else "")
        query = request.url.query
        return RedirectResponse(f"{page}?{query}" if query else page)
    message = "there is no such page: go on with one of the links above"
    raise ApiError(404, "not_found", message)
