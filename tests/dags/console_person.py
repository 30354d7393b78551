"""Somebody who uses the console."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from dags.api_server import ApiServer


class Person:
    """Somebody at a browser: follows links and sends forms, and keeps all that they saw."""

    def __init__(self, api: ApiServer, role: str = "op") -> None:
        self.api = api
        self.role = role
        self.seen: list[str] = []

    def get(self, path: str, *, status: int = 200) -> str:
        return self._ask("GET", path, None, status)

    def send(self, path: str, *, status: int = 200, **form: Any) -> str:
        return self._ask("POST", path, form, status)

    def go(self, path: str, **form: Any) -> str:
        """Send a form; returns the path of the page that it leads to."""
        self.send(path, **form)
        assert self.last.headers["stripe-go"].startswith("/stripe/ui")
        return str(self.last.headers["stripe-go"]).removeprefix("/stripe")

    def _ask(self, method: str, path: str, form: Any, status: int) -> str:
        headers = {"HX-Request": "true"} if method == "POST" else {}
        self.last = self.api.call(self.role, method, path, data=form, headers=headers)
        assert self.last.status_code == status, self.last.text
        self.seen += [self.last.text, str(self.last.headers)]
        return str(self.last.text)


def text_of(html: str) -> str:
    """What a person reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())
