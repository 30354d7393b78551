"""The embedded PostgreSQL server, on loopback, with a password."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from stripe_stack.database.pgserver import PROGRAMS, PostgresServer, get_server
from stripe_stack.errors import StackError
from stripe_stack.processes import Command, Processes
from stripe_stack.settings import Secrets, Settings, free_port

_HBA = "host all all 127.0.0.1/32 scram-sha-256\n"
_START_SECONDS = 30.0


class Postgres:
    """The embedded server of a stack, with databases ``airflow`` and ``warehouse``.

    Args:
        settings: The stack's settings.
        secrets: Its secrets.
    """

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._data = settings.folder / "postgres"
        self._password = secrets.postgres_password
        self.port = self._running_port() or free_port()

    @property
    def runs(self) -> bool:
        """Whether the server accepts connections."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str, scheme: str = "postgresql") -> str:
        """URL of a database, with the password."""
        return f"{scheme}://postgres:{self._password}@127.0.0.1:{self.port}/{database}"

    def start(self, processes: Processes, *, durable: bool = True) -> None:
        """Start the server, with new files the first time, and wait until it accepts connections.

        Args:
            processes: Stops it at the end.
            durable: False is faster, and loses data in a power cut.

        Raises:
            StackError: It cannot start.
        """
        if not self._data.exists():
            self._initialise()
        server = _server(self._data)
        self.port = free_port()  # another program may use the port of a killed server now
        tuning = [] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off"]
        processes.start(
            Command(
                name="postgres",
                argv=[
                    str(server.bin_path / "postgres"),
                    *("-D", str(self._data), "-h", "127.0.0.1", "-p", str(self.port)),
                    *("-c", "unix_socket_directories=", "-c", "shared_buffers=256MB"),
                    *("-c", "max_connections=200", "-c", "max_wal_size=4GB", "-c", "jit=off"),
                    *("-c", "checkpoint_timeout=15min"),
                    *tuning,
                ],
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
                cwd=self._data,
                user=server.system_user,
                stop_signal=signal.SIGINT,  # a fast shutdown: closes sessions, keeps data
            )
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self.runs:
            processes.check()
            if time.monotonic() > deadline:
                msg = f"PostgreSQL did not answer in time; see {processes.log_of('postgres')}"
                raise StackError(msg)
            time.sleep(0.05)
        self._make_databases("airflow", "warehouse")

    def psql(self) -> str:
        """Path of the command-line client."""
        return str(PROGRAMS / "psql")

    def _initialise(self) -> None:
        # Made under another name and renamed, so that a folder of that name is always complete.
        folder = self._data.with_name("postgres.new")
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        server = _server(folder)
        try:
            server.ensure_pgdata_inited()
            # Single-user mode needs no password, so no server without one ever listens.
            subprocess.run(
                [str(server.bin_path / "postgres"), "--single", "-D", str(folder), "postgres"],
                input=f"ALTER USER postgres PASSWORD '{self._password}'\n",
                text=True,
                check=True,
                capture_output=True,
                cwd=folder,
                user=server.system_user,
                group=server.system_user,
                extra_groups=[] if server.system_user else None,
            )
            (folder / "pg_hba.conf").write_text(_HBA)
            folder.rename(self._data)
        except (OSError, subprocess.SubprocessError) as error:
            detail = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
            msg = f"PostgreSQL cannot make its files in {folder}: {detail}"
            raise StackError(msg) from error

    def _make_databases(self, *names: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            rows = connection.execute("SELECT datname FROM pg_database").fetchall()
            for name in set(names) - {row[0] for row in rows}:
                connection.execute(f"CREATE DATABASE {name}")

    def _running_port(self) -> int | None:
        """Port in the server's pid file; None without one."""
        pid_file = self._data / "postmaster.pid"
        try:
            return int(pid_file.read_text().splitlines()[3])
        except (OSError, IndexError, ValueError):
            return None


def _server(folder: Path) -> PostgresServer:
    try:
        return get_server(folder, cleanup_mode=None, start=False)
    except (OSError, RuntimeError) as error:
        msg = f"PostgreSQL cannot use {folder}: {error}"
        raise StackError(msg) from error
