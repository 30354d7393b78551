"""The live stream, from a real server in a process of its own, which is then told to stop."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from dags.api_server import ApiServer
from integration.streams.conftest import Streams, make_streams
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import StreamCursor
from stripe_sync.records.canonical_json import loads
from stripe_sync.warehouse import Warehouse

DOCS = Path(__file__).parents[2] / "docs" / "streams.md"

_START_SECONDS = 300.0

# As Airflow starts it: uvicorn waits this long for open requests after SIGTERM.
_PROGRAM = """
import sys
import uvicorn
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.main import app

viewer = SimpleAuthManagerUser(username="viewer", role="VIEWER")
with open(sys.argv[2], "w") as token:
    token.write(get_auth_manager().generate_jwt(viewer))
uvicorn.run(app, port=int(sys.argv[1]), timeout_graceful_shutdown=120, log_level="warning")
"""


class LiveServer(NamedTuple):
    """An API server in a process of its own, and a token of a viewer."""

    process: subprocess.Popen[bytes]
    address: str
    token: str


@pytest.fixture
def streams(connections: None) -> Iterator[Streams]:
    with Warehouse(warehouse_url()) as warehouse:
        yield make_streams(warehouse_url(), warehouse)


@pytest.fixture
def live_server(server: ApiServer, streams: Streams, tmp_path: Path) -> Iterator[LiveServer]:
    """The server, when it answers; ``server`` has put our DAGs into Airflow's database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = tmp_path / "token"
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(port), str(token)], env=dict(os.environ)
    )
    address = f"http://127.0.0.1:{port}/stripe"
    try:
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                httpx.get(f"{address}/v1/health", timeout=30).raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.2)
        yield LiveServer(process, address, token.read_text())
    finally:
        process.kill()
        process.wait()


def messages(answer: httpx.Response) -> Iterator[dict[str, str]]:
    """Messages of a live stream; a comment is one without fields."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if not line:
            yield fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def run_reader_of_docs(api: str, token: str, cursor_file: Path, streams: Streams) -> None:
    """Run the program as printed; it must have each change."""
    [program] = re.findall(r"```python\n(import json.*?)```", DOCS.read_text(), re.S)
    environment = {
        **os.environ,
        "STRIPE_API": api,
        "TOKEN": token,
        "CURSOR_FILE": str(cursor_file),
        "PYTHONUNBUFFERED": "1",
    }
    streams.customers(1)
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        first = next(reader.stdout)
        streams.customers(1, name="B", when=1)
        second = next(reader.stdout)
        reader.kill()
    assert first == "created stripe:customer cus_1 None\n"
    assert second == "updated stripe:customer cus_1 {'name': None}\n"


def test_the_reader_of_the_docs_and_a_live_stream_get_changes_until_the_server_stops(
    streams: Streams, live_server: LiveServer, tmp_path: Path
) -> None:
    """One test, because an API server takes some seconds to start."""
    process, address, token = live_server
    run_reader_of_docs(f"{address}/v1", token, tmp_path / "cursor", streams)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
        with client.stream("GET", "/v1/events/live") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            live = messages(answer)
            assert next(live) == {}  # the stream has begun
            streams.customers(2, 3)
            first = next(live)
        assert loads(first["data"])["upstream_id"] == "cus_2"
        # It goes on after the last message that came, and ends with the server.
        again = {"Last-Event-ID": first["id"]}
        with client.stream("GET", "/v1/events/live", headers=again) as answer:
            live = (message for message in messages(answer) if message)
            assert loads(next(live)["data"])["upstream_id"] == "cus_3"
            process.send_signal(signal.SIGTERM)
            assert list(live) == []
    # Far less than the 120 s that uvicorn would wait.
    assert process.wait(timeout=60) in (0, -signal.SIGTERM)
    assert StreamCursor.parse(first["id"]).positions[streams.id("north")] == 3
