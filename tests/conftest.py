"""Fixtures for all tests: a real PostgreSQL server, a real sandbox over HTTP."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MEMORY, _ROOM = Path("/dev/shm"), 4 << 30


def _keep_temporary_files_in_memory() -> None:
    """Until this process ends, if there is room and TMPDIR does not say where else.

    A test's database, lake and stack are thousands of small files: to copy an empty warehouse
    takes 0.2 s of CPU time on ext4, 0.04 s in memory. The processes of xdist inherit TMPDIR.
    """
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return
    if shutil.disk_usage(_MEMORY).free < _ROOM:
        return
    folder = tempfile.mkdtemp(prefix="stripe-sync-tests-", dir=_MEMORY)
    Path(folder).chmod(0o755)  # for root, PostgreSQL runs as another user
    # Registered before the one of PostgreSQL's package, which writes there, so it runs after it.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TMPDIR"] = tempfile.tempdir = folder


_keep_temporary_files_in_memory()

# Airflow reads its settings at import, so they stand before anything that may import it.
_AIRFLOW_HOME = tempfile.mkdtemp(prefix="stripe-sync-airflow-")
_ROOT = Path(__file__).resolve().parent.parent
os.environ.update(
    {
        "AIRFLOW_HOME": _AIRFLOW_HOME,
        "AIRFLOW__CORE__DAGS_FOLDER": str(_ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(Path(_AIRFLOW_HOME) / "plugins"),
        "AIRFLOW__CORE__FERNET_KEY": "Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIGxvbmcgISE=",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_AIRFLOW_HOME}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "DO_NOT_TRACK": "1",
    }
)

import psycopg  # noqa: E402
import pytest  # noqa: E402
from xdist.remote import Producer  # noqa: E402
from xdist.scheduler import LoadFileScheduling  # noqa: E402

from databases import new_database  # noqa: E402

_TOGETHER = ("dags", "dbt", "e2e")
"""Folders whose files share something that takes long to start."""


class _Scheduling(LoadFileScheduling):
    """Keeps tests that share fixtures in one process: those of a file, or of a whole folder."""

    def _split_scope(self, nodeid: str) -> str:
        _, folder, *_ = nodeid.split("/")
        return folder if folder in _TOGETHER else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Says which tests run in which process."""
    return _Scheduling(config, log)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end, thousands of tests among it."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """Remove what stands for Airflow's home."""
    shutil.rmtree(_AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a running PostgreSQL server with rights to create databases.

    ``STRIPE_SYNC_TEST_POSTGRES`` names a server to use; without it one is started.
    """
    if given := os.environ.get("STRIPE_SYNC_TEST_POSTGRES"):
        yield given
        return
    from stripe_stack.database.pgserver import get_server

    # Unix socket paths are limited to about 100 bytes, which pytest's own folders exceed.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = get_server(folder, cleanup_mode="stop")
        try:
            _do_not_wait_for_the_disk(server.get_uri())
            yield server.get_uri()
        finally:
            server.cleanup()


def _do_not_wait_for_the_disk(server_url: str) -> None:
    """Commits and dropped databases wait for no disk: these have no power cut to survive."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def migrated(postgres_url: str) -> Iterator[str]:
    """A warehouse with all tables and nothing in them, to be copied."""
    from stripe_sync.warehouse import Warehouse

    with new_database(postgres_url) as url:
        with Warehouse(url) as warehouse:
            warehouse.upgrade()
        yield url


@pytest.fixture(scope="session")
def backfilled(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The demo's shop, backfilled once for all processes, to be copied."""
    from shop import backfilled_shop

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with backfilled_shop(postgres_url, folder / "backfilled") as found:
        yield found


@pytest.fixture
def warehouse_url(postgres_url: str, migrated: str) -> Iterator[str]:
    """A fresh warehouse: all tables, nothing in them."""
    with new_database(postgres_url, like=migrated) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A fresh database without any tables."""
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture
def sandbox() -> Iterator[object]:
    """A running, empty sandbox: ``base_url``, ``api_key``, ``control``."""
    from stripe_sandbox.server import running

    with running() as server:
        yield server
