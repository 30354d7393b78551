"""The console's manners: a login, HTML errors, headers, links below any path."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Scope, Send

from dags.api_server import ROLES, ApiServer
from stripe_airflow.api.app import create_app
from stripe_airflow.api.lifespan import BeginsAndEndsWithServer, created_app
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui import rendering
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


@pytest.mark.parametrize(
    ("path", "status", "found"),
    [
        ("/ui/", 307, "/stripe/ui"),
        ("/ui/stream/?object_id=a%2Fb", 307, "/stripe/ui/stream?object_id=a%2Fb"),
        ("/ui//evil.example//", 307, "/stripe/ui/evil.example"),
        ("/ui/nothing", 404, "there is no such page"),
        ("/ui/syncs/a%2Fb", 404, "there is no such page"),
        ("/ui/syncs/a/pause", 404, "there is no such page"),
    ],
)
def test_other_addresses_are_answered_like_pages(
    api: ApiServer, path: str, status: int, found: str
) -> None:
    headers = {"Host": "evil.example"}
    page = api.call("viewer", "GET", path, headers=headers, follow_redirects=False)
    assert (page.status_code, page.headers["cache-control"]) == (status, "no-store")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert found in (page.headers.get("location") or page.text)
    assert page.headers.get("location") in (None, found)


def test_an_error_of_a_part_is_a_part(api: ApiServer) -> None:
    part = api.call("anonymous", "GET", "/ui", headers={"HX-Request": "true"})
    assert part.status_code == 401
    assert 'role="alert"' in part.text
    assert "<html" not in part.text


@contextmanager
def silent_server() -> Iterator[tuple[int, list[socket.socket]]]:
    """A server that takes connections and never says anything: its port, the connections."""
    found: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            with suppress(OSError):
                while True:
                    found.append(listener.accept()[0])

        thread = Thread(target=take, daemon=True)
        thread.start()
        yield listener.getsockname()[1], found
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for each in found:
        each.close()


def test_a_warehouse_that_does_not_answer_does_not_stop_airflow(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(60) as pool:
        with silent_server() as (port, connections):
            url = f"postgresql://nobody@127.0.0.1:{port}/nothing"
            monkeypatch.setenv("AIRFLOW_CONN_STRIPE_WAREHOUSE", url)
            pages = [pool.submit(server.call, "viewer", "GET", "/ui") for _ in range(60)]
            # Routes of Airflow use the same threads as the pages, of which there are 40.
            health = server.client.get("/stripe/v1/health")
            assert (health.status_code, any(page.done() for page in pages)) == (200, False)
            while not connections:
                assert not any(page.done() for page in pages)
            assert len(connections) == 1
        assert {page.result().status_code for page in pages} == {503}


def test_nothing_is_left_to_load_for_the_first_page() -> None:
    created_app.cache_clear()
    rendering._environment.cache_clear()
    begun = []

    async def server(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    async def send(message: Message) -> None:
        templates = rendering._environment()
        assert templates.cache is not None
        begun.append((message["type"], created_app.cache_info().currsize))
        assert len(templates.cache) == len(templates.list_templates())

    async def receive() -> Message:
        raise NotImplementedError

    asyncio.run(BeginsAndEndsWithServer(server)({"type": "lifespan"}, receive, send))
    assert begun == [("lifespan.startup.complete", 1)]
