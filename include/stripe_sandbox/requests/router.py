"""Finds the route of a URL: the resource and the operation."""

from __future__ import annotations

from dataclasses import dataclass, field

from stripe_sandbox.errors import unrecognized_url
from stripe_sandbox.resources.nested_lists import NESTED_LISTS
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.resource_spec import LAST_BEFORE_BASIL, NestedList, Resource


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint.

    Attributes:
        label: Method and template, such as ``GET /v1/customers/{customer}``.
        operation: Such as ``list``; see ``endpoints.operations``.
        resource: Its resource; the parent's, for a nested list.
        permission: Its name in the permissions of restricted keys.
        action: Name of the action, for the operation ``action``.
        nested_list: Its list under a parent.
        last_version: The newest version that has it; empty for all.
    """

    label: str
    operation: str
    resource: Resource
    permission: str
    action: str = ""
    nested_list: NestedList | None = None
    last_version: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A route with the ids in its URL."""

    route: Route
    ids: tuple[str, ...]

    @property
    def label(self) -> str:
        """Method and template."""
        return self.route.label

    @property
    def nested_list(self) -> NestedList:
        """The list under a parent, of a route that has one."""
        assert self.route.nested_list is not None  # noqa: S101 - only such routes ask
        return self.route.nested_list


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    wildcard: _Node | None = None
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """The routes of all resources."""

    def __init__(self) -> None:
        self._root = _Node()
        for resource in RESOURCES.values():
            self._add_resource(resource)
        for nested_list in NESTED_LISTS:
            self._add_nested_list(nested_list)
        for label, operation, last_version in _SPECIAL_ROUTES:
            resource = RESOURCES[label.split("/")[2].rstrip("s")]
            permission = resource.permission
            self._add(Route(label, operation, resource, permission, last_version=last_version))

    def match(self, method: str, path: str, version: str) -> Match:
        """Find the route of a request.

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
        if route is None or (route.last_version and version[:10] > route.last_version[:10]):
            raise unrecognized_url(method, path)
        return Match(route, tuple(ids))

    def _add_resource(self, resource: Resource) -> None:
        if not resource.path:
            return
        for letter, method, path, operation in (
            ("l", "GET", resource.path, "list"),
            ("r", "GET", resource.retrieve_path, "retrieve"),
            ("c", "POST", resource.path, "create"),
            ("u", "POST", resource.retrieve_path, "update"),
            ("d", "DELETE", resource.retrieve_path, "delete"),
        ):
            if letter in resource.ops:
                self._add_own(f"{method} {path}", operation, resource)
        for name in resource.actions:
            self._add_own(f"POST {resource.retrieve_path}/{name}", "action", resource, name)

    def _add_own(self, label: str, operation: str, resource: Resource, action: str = "") -> None:
        last = resource.last_version
        self._add(Route(label, operation, resource, resource.permission, action, last_version=last))

    def _add_nested_list(self, nested_list: NestedList) -> None:
        resource = RESOURCES[nested_list.parent]
        for letter, method, path, operation in (
            ("l", "GET", nested_list.path, "list_children"),
            ("r", "GET", nested_list.child_path, "retrieve_child"),
            ("c", "POST", nested_list.path, "create_child"),
            ("u", "POST", nested_list.child_path, "update_child"),
            ("d", "DELETE", nested_list.child_path, "delete_child"),
        ):
            if letter in nested_list.ops:
                permission = nested_list.permission or resource.permission
                label, last = f"{method} {path}", nested_list.last_version
                self._add(Route(label, operation, resource, permission, "", nested_list, last))
        for name in nested_list.child_actions:
            label = f"POST {nested_list.child_path}/{name}"
            permission = nested_list.permission or resource.permission
            self._add(Route(label, f"{name}_child", resource, permission, name, nested_list))

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


_SPECIAL_ROUTES = (
    ("GET /v1/account", "retrieve_account", ""),
    ("GET /v1/customers/{customer}/discount", "retrieve_discount", ""),
    ("DELETE /v1/customers/{customer}/discount", "delete_discount", ""),
    ("DELETE /v1/subscriptions/{subscription_exposed_id}/discount", "delete_discount", ""),
    ("POST /v1/invoices/create_preview", "create_preview", ""),
    ("GET /v1/invoices/upcoming", "upcoming_invoice", LAST_BEFORE_BASIL),
    ("GET /v1/invoices/upcoming/lines", "upcoming_lines", LAST_BEFORE_BASIL),
    ("POST /v1/invoices/{invoice}/add_lines", "add_lines", ""),
    ("POST /v1/invoices/{invoice}/update_lines", "update_lines", ""),
    ("POST /v1/invoices/{invoice}/remove_lines", "remove_lines", ""),
)
"""Routes that follow no pattern: label, operation, newest version that has them."""
