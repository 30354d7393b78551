"""Which resource and operation a URL names."""

from __future__ import annotations

from dataclasses import dataclass, field

from stripe_sandbox.errors import unrecognized_url
from stripe_sandbox.places import PLACES
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.rows import LAST_BEFORE_BASIL, Place, Resource


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint.

    Attributes:
        label: Method and template, such as ``GET /v1/customers/{customer}``.
        operation: What it does, such as ``list``; see ``endpoints``.
        resource: The resource it serves; the parent, where there is a place.
        action: The action's name, for ``act``.
        place: The list under a parent that it is about.
        until: The newest version in which it answers; empty for all.
        permission: The name that restricted keys use.
    """

    label: str
    operation: str
    resource: Resource
    action: str = ""
    place: Place | None = None
    until: str = ""
    permission: str = ""


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
        for place in PLACES:
            self._add_place(place)
        for method, path, operation, until in _SINGLE:
            row = RESOURCES[path.split("/")[2].rstrip("s")]
            self._add(Route(f"{method} {path}", operation, row, "", None, until, row.permission))

    def match(self, method: str, path: str, version: str) -> Match:
        """Find the endpoint of a request.

        Args:
            method: HTTP method.
            path: The URL's path.
            version: The request's version.

        Raises:
            ApiError: 404, there is none (in this version).
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
        if route is None or (route.until and version[:10] > route.until[:10]):
            raise unrecognized_url(method, path)
        return Match(route, tuple(ids))

    def _add_resource(self, row: Resource) -> None:
        if not row.path:
            return
        for letter, method, path, operation in (
            ("l", "GET", row.path, "list"),
            ("r", "GET", row.retrieve_path, "retrieve"),
            ("c", "POST", row.path, "create"),
            ("u", "POST", row.retrieve_path, "update"),
            ("d", "DELETE", row.retrieve_path, "delete"),
        ):
            if letter in row.ops:
                self._add_own(method, path, operation, row)
        for name in row.actions:
            self._add_own("POST", f"{row.retrieve_path}/{name}", "act", row, name)

    def _add_own(
        self, method: str, path: str, operation: str, row: Resource, action: str = ""
    ) -> None:
        label = f"{method} {path}"
        self._add(Route(label, operation, row, action, None, row.until, row.permission))

    def _add_place(self, place: Place) -> None:
        row = RESOURCES[place.parent]
        for letter, method, path, operation in (
            ("l", "GET", place.path, "children"),
            ("r", "GET", place.one_path, "child"),
            ("c", "POST", place.path, "create_child"),
            ("u", "POST", place.one_path, "update_child"),
            ("d", "DELETE", place.one_path, "delete_child"),
        ):
            if letter in place.ops:
                permission = place.permission or row.permission
                label = f"{method} {path}"
                self._add(Route(label, operation, row, "", place, place.until, permission))

    def _add(self, route: Route) -> None:
        method, _, path = route.label.partition(" ")
        node = self._root
        for part in path.strip("/").split("/"):
            if part.startswith("{"):
                node.wildcard = node.wildcard or _Node()
                node = node.wildcard
            else:
                node = node.children.setdefault(part, _Node())
        node.routes[method] = route


_SINGLE = (
    ("GET", "/v1/account", "self", ""),
    ("GET", "/v1/customers/{customer}/discount", "discount", ""),
    ("DELETE", "/v1/customers/{customer}/discount", "end_discount", ""),
    ("DELETE", "/v1/subscriptions/{subscription_exposed_id}/discount", "end_discount", ""),
    ("POST", "/v1/invoices/create_preview", "preview", ""),
    ("GET", "/v1/invoices/upcoming", "upcoming", LAST_BEFORE_BASIL),
    ("GET", "/v1/invoices/upcoming/lines", "upcoming_lines", LAST_BEFORE_BASIL),
    ("POST", "/v1/invoices/{invoice}/add_lines", "add_lines", ""),
    ("POST", "/v1/invoices/{invoice}/update_lines", "update_lines", ""),
    ("POST", "/v1/invoices/{invoice}/remove_lines", "remove_lines", ""),
)
"""Routes that are like no other."""
