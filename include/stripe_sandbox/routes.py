"""Which resource and operation a URL names."""

from __future__ import annotations

from dataclasses import dataclass, field

from stripe_sandbox.errors import unrecognized_url
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.rows import Resource


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint.

    Attributes:
        label: Method and template, such as ``GET /v1/customers/{customer}``.
        operation: list, retrieve, create, update, delete, act, children, child, included or self.
        resource: The resource it serves.
        action: The action's name, for ``act``; the list's name, for ``included``.
    """

    label: str
    operation: str
    resource: Resource
    action: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """An endpoint with the ids that its URL names."""

    route: Route
    ids: tuple[str, ...]

    @property
    def label(self) -> str:
        """Method and template."""
        return self.route.label


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    wildcard: _Node | None = None
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """All endpoints of the table of resources."""

    def __init__(self) -> None:
        self._root = _Node()
        for row in RESOURCES.values():
            self._add_resource(row)

    def match(self, method: str, path: str, *, legacy: bool) -> Match:
        """Find the endpoint of a request.

        Args:
            method: HTTP method.
            path: The URL's path.
            legacy: Whether retired routes answer.

        Raises:
            ApiError: 404, there is none.
        """
        node, ids = self._root, []
        for part in path.strip("/").split("/"):
            found = node.children.get(part)
            if found is None:
                found = node.wildcard
                ids.append(part)
            if found is None or not part:
                raise unrecognized_url(method, path)
            node = found
        route = node.routes.get(method)
        if route is None or (route.resource.legacy and not legacy):
            raise unrecognized_url(method, path)
        return Match(route, tuple(ids))

    def _add_resource(self, row: Resource) -> None:
        if not row.path:
            return
        several, one = ("children", "child") if row.parent is not None else ("list", "retrieve")
        for letter, method, path, operation in (
            ("l", "GET", row.path, several),
            ("r", "GET", row.retrieve_path, one),
            ("c", "POST", row.path, "create"),
            ("u", "POST", row.retrieve_path, "update"),
            ("d", "DELETE", row.retrieve_path, "delete"),
        ):
            if letter in row.ops:
                self._add(method, path, operation, row)
        for name, include in row.includes.items():
            if include.url.startswith(f"{row.path}/"):
                self._add("GET", include.url, "included", row, name)
        for name in row.actions:
            self._add("POST", f"{row.retrieve_path}/{name}", "act", row, name)
        if row.object == "account":
            self._add("GET", "/v1/account", "self", row)

    def _add(self, method: str, path: str, operation: str, row: Resource, action: str = "") -> None:
        node = self._root
        for part in path.strip("/").split("/"):
            if part.startswith("{"):
                node.wildcard = node.wildcard or _Node()
                node = node.wildcard
            else:
                node = node.children.setdefault(part, _Node())
        node.routes[method] = Route(f"{method} {path}", operation, row, action)
