"""The console's manners: a login, HTML errors, headers, links below any path."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from dags.api_server import ROLES, ApiServer
from stripe_airflow.api.app import create_app
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.routing import PREFIX
from stripe_sync.warehouse import Warehouse

HTML = "text/html; charset=utf-8"


ROUTES = sorted(
    (method, route.path)
    for route in create_app().routes
    if isinstance(route, APIRoute) and route.path.startswith(PREFIX)
    for method in route.methods
)
WRITES = [each for each in ROUTES if each[0] != "GET"]


@pytest.fixture
def api(server: ApiServer, connections: None) -> Iterator[ApiServer]:
    with Warehouse(warehouse_url()):
        yield server
    server.forget_warehouse()


def test_a_page_is_html_that_loads_files_of_this_server_only(api: ApiServer) -> None:
    for role in ROLES:
        page = api.call(role, "GET", "/ui/stream")
        assert (page.status_code, page.headers["content-type"]) == (200, HTML), role
        assert page.headers["cache-control"] == "no-store"
        assert "unsafe" not in page.headers["content-security-policy"]
        loaded = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', page.text)
        assert loaded
        for path in loaded:
            assert path.startswith("/stripe/ui/static/")
            file = api.client.get(path)
            assert file.status_code == 200, path
            assert "immutable" in file.headers["cache-control"]
        # htmx begins before deferred scripts that come after it, and so before its extensions.
        assert not re.search(r"<script[^>]* src=[^>]*htmx[^>]* defer", page.text)
        assert " style=" not in page.text
        assert not re.search(r"<script(?![^>]* src=)| on[a-z]+=", page.text)


def filled(path: str) -> str:
    """A path with something for each of its parameters."""
    return re.sub(r"{[^}]*}", "x", path)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_login_the_page_says_so(api: ApiServer, method: str, path: str) -> None:
    page = api.call("anonymous", method, filled(path))
    assert (page.status_code, page.headers["content-type"]) == (401, HTML)
    assert "Log in to Airflow again" in page.text
    assert 'href="/" data-leaves' in page.text


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_viewers_change_nothing(api: ApiServer, method: str, path: str) -> None:
    page = api.call("viewer", method, filled(path))
    assert (page.status_code, page.headers["content-type"]) == (403, HTML)
    assert "you lack the right to" in page.text


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_other_sites_change_nothing_with_the_cookie(api: ApiServer, method: str, path: str) -> None:
    page = api.client.request(
        method,
        f"/stripe{filled(path)}",
        headers={"Cookie": f"_token={api.token('admin')}", "Origin": "https://evil.example"},
    )
    assert page.status_code == 403
    assert "must come from" in page.text


def test_an_error_of_a_part_is_a_part(api: ApiServer) -> None:
    part = api.call("anonymous", "GET", "/ui", headers={"HX-Request": "true"})
    assert part.status_code == 401
    assert 'role="alert"' in part.text
    assert "<html" not in part.text
