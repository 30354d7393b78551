"""Airflow's API server with our plugin, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from bench.environment import KEY, SYNC, UNLIMITED
from bench.measure import Task
from stripe_stack.settings import free_port
from stripe_sync.sync.connections import Connections, SyncSettings


@contextmanager
def served(base: Connections, folder: Path) -> Iterator[tuple[str, str]]:
    """Airflow's API server in a process of its own: its address, and a token."""
    port = free_port()
    with tempfile.TemporaryDirectory(dir=folder) as home:
        token = Path(home) / "token"
        process = Task.start(
            _serve, base.warehouse_url, base.lake_url, base.credential.api_base, home, port
        )
        try:
            while not token.exists():
                assert process.process.is_alive(), "the API server ended"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}", token.read_text()
        finally:
            process.process.terminate()
            process.process.join()


def _serve(warehouse_url: str, lake_url: str, api_base: str, home: str, port: int) -> None:
    """Airflow's API server with our plugin; writes a token when it accepts requests."""
    from stripe_sync.records.canonical_json import dumps

    raise_file_limit()
    root = Path(__file__).resolve().parents[2]
    extra = SyncSettings(**UNLIMITED).model_dump(exclude_unset=True)
    stripe = {"conn_type": "stripe", "password": KEY, "host": api_base, "extra": extra}
    lake = {"conn_type": "stripe_lake", "host": lake_url}
    os.environ.update(
        {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": f"{home}/plugins",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "AIRFLOW__API_AUTH__JWT_SECRET": "for the benchmark only: " + "0123456789abcdef" * 4,
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "_AIRFLOW_PROCESS_CONTEXT": "server",
            f"AIRFLOW_CONN_STRIPE_{SYNC.upper()}": dumps(stripe).decode(),
            "AIRFLOW_CONN_STRIPE_WAREHOUSE": warehouse_url,
            "AIRFLOW_CONN_STRIPE_LAKE": dumps(lake).decode(),
        }
    )
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(DagBag(str(root / "dags")), "dags-folder", None)
    app = create_app()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="on"))

    async def serve() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.05)
        user = SimpleAuthManagerUser(username="bench", role="ADMIN")
        written = Path(home) / "token.tmp"
        written.write_text(get_auth_manager().generate_jwt(user))
        written.rename(Path(home) / "token")
        await serving

    asyncio.run(serve())


def raise_file_limit() -> None:
    """As many open files as this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
