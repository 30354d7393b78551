"""Plain HTTP to the sandbox."""

from __future__ import annotations

from typing import Any

import httpx

from stripe_sandbox.control import SandboxControl
from stripe_sandbox.server import Running


class Api:
    """Plain HTTP to the sandbox, with the test key by default."""

    def __init__(self, server: Running, client: httpx.Client) -> None:
        self.server = server
        self.control: SandboxControl = server.control
        self._client = client

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        data: Any = None,
        key: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("authorization", f"Bearer {key or self.server.api_key}")
        sent: dict[str, Any] = {"content" if isinstance(data, str) else "data": data}
        return self._client.request(method, path, params=params, headers=named, **sent)

    def get(self, path: str, params: Any = None, **headers: str) -> Any:
        answer = self.call("GET", path, params=params, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, data: Any = None, **headers: str) -> Any:
        answer = self.call("POST", path, data=data, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, **call: Any) -> dict[str, Any]:
        answer = self.call(method, path, **call)
        assert answer.status_code == status, answer.text
        error: dict[str, Any] = answer.json()["error"]
        return error

    def ids(self, path: str, params: Any = None, **headers: str) -> list[str]:
        return [row["id"] for row in self.get(path, params, **headers)["data"]]

    def list_all(self, path: str, params: Any = None, **headers: str) -> list[dict[str, Any]]:
        """All objects of a list, page by page."""
        bare, _, query = path.partition("?")
        asked = {**dict(pair.split("=") for pair in query.split("&") if pair), **(params or {})}
        found: list[dict[str, Any]] = []
        asked["limit"] = 7
        while True:
            page = self.get(bare, asked, **headers)
            found += page["data"]
            if not page["has_more"]:
                return found
            asked["starting_after"] = page["data"][-1]["id"]

    def event_types(self) -> list[str]:
        return [row["type"] for row in self.get("/v1/events", {"limit": 100})["data"]]
