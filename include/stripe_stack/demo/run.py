"""Runs the demo: backfill, views and docs, and a live change, on a sandbox's data."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
import psycopg
from psycopg.rows import dict_row
from rich.console import Console

from stripe_stack.airflow.environment import console_url
from stripe_stack.demo import report
from stripe_stack.demo.progress import Progress
from stripe_stack.demo.report import Change
from stripe_stack.errors import StackError
from stripe_stack.settings import Settings, free_port, read_settings
from stripe_stack.stack import Stack, running

T = TypeVar("T")

_STUCK_AFTER = 120.0
"""Seconds without any progress after which a wait fails."""

_UNTIL_VISIBLE = "until the change is in stripe.records and stripe.events"

_RECORD = """
SELECT collection_id, deleted, id, inserted_at, payload, payload_hash, resource_id, updated_at,
       upsert_opts, upstream_id, upstream_updated_at
FROM stripe.records
WHERE collection_id = 'stripe:customer' AND upstream_id = %(id)s AND payload->>'name' = %(name)s
"""
_EVENT = """
SELECT changes, collection_id, created_at, data, event_type, id, resource_id, upstream_id,
       upstream_updated_at
FROM stripe.events
WHERE collection_id = 'stripe:customer' AND upstream_id = %(id)s AND data->>'name' = %(name)s
"""


def run_demo(console: Console) -> None:
    """Run the demo in a folder and on ports of its own.

    Args:
        console: Gets the output.

    Raises:
        StackError: Something failed; no process is left.
    """
    started = time.monotonic()
    settings = Settings(
        stripe_api_key=None,
        stripe_api_base=None,
        stripe_account=None,
        warehouse_url=None,
        stripe_views_schema=None,
        lake_url=None,
        airflow_port=free_port(),
        sandbox_port=free_port(),
        stack_dir=read_settings().stack_dir.resolve() / "demo",
    )
    progress = Progress(console, started)
    with running(settings, progress.note, throwaway=True) as stack:
        for dag in ("stripe_dbt", "stripe_backfill"):
            stack.api.unpause(dag)
        progress.note("Running the DAG stripe_backfill")
        stack.api.trigger("stripe_backfill", {"sync": stack.sync})
        run = _wait_for_run(stack, "stripe_backfill", progress)
        report.print_backfill(console, stack.api.xcom("stripe_backfill", run, "report"))
        progress.note("Running the DAG stripe_dbt, which starts by itself")
        stack.api.unpause("stripe_poll")
        _wait_for_run(stack, "stripe_dbt", progress)
        report.print_views(console, stack)
        progress.note("Changing a customer, while the DAG stripe_poll watches")
        _wait_until(stack, progress, lambda: "until stripe_poll polls", lambda: _polls(stack))
        report.print_change(console, _change_customer(stack, progress))
    took = time.monotonic() - started
    console.print(f"\nThat took {took:.0f} s. Everything that was started has been stopped.")
    files = f"Its files stay in {settings.stack_dir} until the next demo."
    console.print(files, soft_wrap=True)
    console.print("To keep it running, with Airflow's UI: [bold]make up[/bold]")
    page = console_url(read_settings())
    console.print(f"It shows the syncs and their live changes at {page}", soft_wrap=True)


def _wait_until(
    stack: Stack,
    progress: Progress,
    describe: Callable[[], str],
    result: Callable[[], T | None],
    *,
    interval: float = 0.5,
) -> T:
    """Wait for a true result while the description changes. Returns the result."""
    moved, before = time.monotonic(), None
    with progress.waiting() as update:
        while not (found := result()):
            stack.processes.check()
            if (description := update(describe)) and description != before:
                moved, before = time.monotonic(), description
            if time.monotonic() > moved + _STUCK_AFTER:
                msg = (
                    f"Waited two minutes {describe()}, without progress; "
                    f"the logs are in {stack.settings.logs}"
                )
                raise StackError(msg)
            time.sleep(interval)
    return found


def _wait_for_run(stack: Stack, dag: str, progress: Progress) -> str:
    """Wait until the newest run of a DAG has succeeded. Returns its id."""

    def run() -> dict[str, Any]:
        return next(iter(stack.api.runs(dag)), {"state": "not there yet"})

    def describe() -> str:
        known = run().get("dag_run_id")
        tasks = stack.api.tasks(dag, known) if known else []
        over = sum(task["state"] == "success" for task in tasks)
        return f"for {dag}: {over} of {len(tasks)} tasks done"

    def ended() -> dict[str, Any] | None:
        return found if (found := run())["state"] in {"success", "failed"} else None

    result = _wait_until(stack, progress, describe, ended)
    if result["state"] == "failed":
        logs = stack.settings.folder / "airflow" / "logs"
        msg = f"A run of {dag} failed; its task logs are in {logs}"
        raise StackError(msg)
    return str(result["dag_run_id"])


def _polls(stack: Stack) -> bool:
    """Whether a poller has the lease of the sync."""
    query = "SELECT count(*) FROM stripe_sync.poll_state WHERE lease_until > now()"
    with psycopg.connect(stack.warehouse_url) as connection:
        row = connection.execute(query).fetchone()
    return bool(row and row[0])


def _change_customer(stack: Stack, progress: Progress) -> Change:
    """Change a customer's name in the sandbox, and wait for the change in the views."""
    headers = {"Authorization": f"Bearer {stack.settings.api_key}"}
    with httpx.Client(base_url=stack.settings.api_base, headers=headers) as stripe:
        customer = stripe.get("/v1/customers", params={"limit": 1}).json()["data"][0]
        name = "Paul Atreides" if customer["name"] != "Paul Atreides" else "Duncan Idaho"
        changed = time.monotonic()
        stripe.post(f"/v1/customers/{customer['id']}", data={"name": name}).raise_for_status()
    with psycopg.connect(stack.warehouse_url, autocommit=True, row_factory=dict_row) as connection:

        def visible() -> Change | None:
            record = connection.execute(_RECORD, {"id": customer["id"], "name": name}).fetchone()
            event = connection.execute(_EVENT, {"id": customer["id"], "name": name}).fetchone()
            seconds = time.monotonic() - changed
            return Change(seconds, record, event) if record and event else None

        return _wait_until(stack, progress, lambda: _UNTIL_VISIBLE, visible, interval=0.05)
