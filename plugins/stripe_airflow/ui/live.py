"""Pages that stay up to date: every few seconds a page asks for those of its parts that changed.

A part has a version, a digest of what it shows. The page names the versions that it has
(``live.js``); the answer has the other parts. Templates write parts with ``live.html``.
"""

from __future__ import annotations

import hashlib
from typing import Any

from fastapi import Request, Response

from stripe_airflow.ui.rendering import render

_VERSION_BYTES = 5


def version_of(text: str) -> str:
    """A short text that is another one for another text."""
    return hashlib.blake2b(text.encode(), digest_size=_VERSION_BYTES).hexdigest()


def seen_by(request: Request) -> frozenset[str]:
    """The versions that a page has: the query ``seen``, with dots between them."""
    return frozenset(request.query_params.get("seen", "").split("."))


def render_whole(request: Request, template: str, **values: Any) -> Response:
    """A page with parts. Arguments as for ``render``."""
    return render(request, template, seen=None, version_of=version_of, **values)


def render_changed(request: Request, template: str, **values: Any) -> Response:
    """The parts of a page that the request does not have; status 204 if there are none.

    Args:
        request: The request.
        template: Writes all parts.
        values: Names of the template.
    """
    response = render(request, template, seen=seen_by(request), version_of=version_of, **values)
    return response if bytes(response.body).strip() else Response(status_code=204)
