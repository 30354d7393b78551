"""Airflow's real API server app, with a user of each role."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import uvicorn
from fastapi.testclient import TestClient

ROLES = ("viewer", "user", "op", "admin")
_SETTINGS = {
    "AIRFLOW__API_AUTH__JWT_SECRET": "for tests only: " + "0123456789abcdef" * 4,
    "AIRFLOW__API__BASE_URL": "http://testserver",
    "_AIRFLOW_PROCESS_CONTEXT": "server",  # as airflow.api_fastapi.main sets it
}


class ApiServer:
    """The app with a client for each role; ``anonymous`` has no login."""

    def __init__(self, app: Any, client: TestClient) -> None:
        self.app = app
        self.client = client
        self.served_by: asyncio.AbstractEventLoop | None = None
        """The loop of a server behind a socket, as long as there is one: see :func:`serving`."""

    def forget_warehouse(self) -> None:
        """Close what the app keeps open of the warehouse of one test."""
        from stripe_airflow.api.streams.process import close_streams

        if self.served_by:
            asyncio.run_coroutine_threadsafe(close_streams(), self.served_by).result()
            return
        assert self.client.portal is not None
        self.client.portal.call(close_streams)

    def token(self, role: str) -> str:
        """A token of a user with a role."""
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

        token: str = get_auth_manager().generate_jwt(
            SimpleAuthManagerUser(username=role, role=role.upper())
        )
        return token

    def headers(self, role: str) -> dict[str, str]:
        """Headers of a caller."""
        if role == "anonymous":
            return {}
        return {"Authorization": f"Bearer {self.token(role)}"}

    def call(self, role: str, method: str, path: str, **options: Any) -> Any:
        """A request to the API, as a role."""
        headers = {**self.headers(role), **options.pop("headers", {})}
        return self.client.request(method, f"/stripe{path}", headers=headers, **options)


def http_scope(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    """A request as the app gets it from a server (ASGI), for what no client can do."""
    named = {"host": "testserver", "content-type": "application/json", **headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }


@cache
def _app() -> Any:
    from airflow.api_fastapi.app import create_app

    return create_app()


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """Airflow's API server app with our plugin, and our DAGs in its database.

    The app is made once in a process: it takes 2 s. Its settings end with the block.
    """
    from airflow.api_fastapi.app import create_auth_manager, purge_cached_app
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    before = {name: os.environ.get(name) for name in _SETTINGS}
    os.environ.update(_SETTINGS)
    try:
        sync_bag_to_db(DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]), "dags-folder", None)
        app = _app()
        create_auth_manager()
        # One event loop for all requests, as in the server.
        with TestClient(app) as client:
            yield ApiServer(app, client)
    finally:
        purge_cached_app()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def fresh_mutations() -> Iterator[None]:
    """Sessions of this process for the connections of one test; closed at the end."""
    from stripe_airflow.api.mutations.background import connections, mutations

    connections.cache_clear()
    mutations.cache_clear()
    yield
    mutations().close()


@contextmanager
def serving(api: ApiServer) -> Iterator[int]:
    """The app behind a real socket; gives its port."""
    config = uvicorn.Config(api.app, port=0, log_level="warning", lifespan="on")
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not served.started and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        api.served_by = served.servers[0].get_loop()
        yield served.servers[0].sockets[0].getsockname()[1]
    finally:
        api.served_by = None
        served.should_exit = True
        thread.join()
