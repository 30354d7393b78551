"""A real PgBouncer that pools transactions in front of the tests' server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from stripe_sync.libpq import connection_parameters, render_warehouse_url

_SOCKET_PORT = "6432"
_START_SECONDS = 20.0
_NOBODY = 65534

# Each transaction of a client runs in another session: the one that was unused for longest.
_SETTINGS = f"""
[pgbouncer]
pool_mode = transaction
server_round_robin = 1
default_pool_size = 12
min_pool_size = 4
max_client_conn = 200
auth_type = any
listen_port = {_SOCKET_PORT}
unix_socket_dir = {{folder}}
logfile = {{folder}}/log
"""


def pooled(url: str, folder: Path) -> str:
    """The same database through the PgBouncer of a folder."""
    parameters = connection_parameters(url) | {"host": str(folder), "port": _SOCKET_PORT}
    return render_warehouse_url(parameters)


@contextmanager
def running_pgbouncer(server_url: str) -> Iterator[Path]:
    """Run PgBouncer for all databases of a server; yields the folder of its socket."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("pgbouncer must be installed where CI is set")
        pytest.skip("pgbouncer is not installed")
    # Socket paths are limited to about 100 bytes, which pytest's own folders exceed.
    with tempfile.TemporaryDirectory(prefix="pgb-", dir="/tmp") as name:
        folder = Path(name)
        server = connection_parameters(server_url)
        target = " ".join(
            f"{key}='{server[key]}'"
            for key in ("host", "port", "user", "password")
            if key in server
        )
        settings = folder / "pgbouncer.ini"
        settings.write_text(f"[databases]\n* = {target}\n{_SETTINGS.format(folder=folder)}")
        folder.chmod(0o777)
        process = subprocess.Popen(
            [program, "--quiet", str(settings)],
            user=_user(server),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(pooled(server_url, folder), process)
            yield folder
        finally:
            process.kill()
            process.wait()


def _user(server: dict[str, str]) -> int | None:
    """It refuses to run as root, and the server's socket may be its owner's only."""
    if os.geteuid() != 0:
        return None
    host = server.get("host", "")
    return Path(host).stat().st_uid if host.startswith("/") else _NOBODY


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert process.poll() is None, "PgBouncer ended"
            assert time.monotonic() < deadline, "PgBouncer does not answer"
            time.sleep(0.02)
        else:
            return
