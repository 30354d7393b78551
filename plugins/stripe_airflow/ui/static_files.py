"""Scripts, styles and pictures of the pages, kept by browsers until they change."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from fastapi import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC_FOLDER = Path(__file__).parent / "static"


class StaticFilesOfVersion(StaticFiles):
    """Files under a path that changes with their content, so that browsers keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file; the first part of the path is its version, whatever it says."""
        response = await super().get_response(path.partition("/")[2], scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


@cache
def static_version() -> str:
    """A short text that is another one after any of the files has changed."""
    digest = hashlib.sha256()
    for path in sorted(STATIC_FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
