"""The whole way once: backfill, live change, views and docs, on a sandbox's data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import psycopg
from psycopg.rows import dict_row
from rich.console import Console

from stripe_stack import account
from stripe_stack.account import Change
from stripe_stack.errors import StackError
from stripe_stack.settings import Settings, free_port, read_settings
from stripe_stack.stack import Stack, running

T = TypeVar("T")

_LINE_EVERY = 5.0
"""Seconds between two lines on the same wait, where there is no terminal."""

_LOOK_EVERY = 1.0
"""Seconds between two changes of the line, where there is one."""

_STUCK_AFTER = 120.0
"""Seconds without any news after which a wait is given up."""

_UNTIL_SEEN = "until the change shows in stripe.records and stripe.events"

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
        console: Gets the account of it.

    Raises:
        StackError: Something did not work; nothing is left running.
    """
    started = time.monotonic()
    settings = Settings(
        stripe_api_key=None,
        stripe_api_base=None,
        stripe_account=None,
        warehouse_url=None,
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
        stack.api.trigger("stripe_backfill")
        run = _wait_for_run(stack, "stripe_backfill", progress)
        account.print_backfill(console, stack.api.xcom("stripe_backfill", run, "report"))
        progress.note("Running the DAG stripe_dbt, which follows by itself")
        stack.api.unpause("stripe_poll")
        _wait_for_run(stack, "stripe_dbt", progress)
        account.print_views(console, stack)
        progress.note("Changing a customer, while the DAG stripe_poll watches")
        _wait_until(stack, progress, lambda: "until stripe_poll polls", lambda: _polls(stack))
        account.print_change(console, _change_customer(stack, progress))
    took = time.monotonic() - started
    console.print(f"\nThat took {took:.0f} s. Everything that was started has been stopped.")
    kept = f"Its files stay in {settings.stack_dir} until the next demo."
    console.print(kept, soft_wrap=True)
    console.print("To keep it running, with Airflow's UI: [bold]make up[/bold]")


class Progress:
    """Lines on what is going on; on a terminal the last one is kept alive.

    Args:
        console: Gets the lines.
        started: When the clock of the lines started (monotonic).
    """

    def __init__(self, console: Console, started: float) -> None:
        self._console = console
        self._started = started

    def note(self, text: str) -> None:
        """A step begins."""
        self._console.print(f"[dim]{self._seconds():5.1f} s[/dim]  {text}")

    @contextmanager
    def waiting(self) -> Iterator[Callable[[Callable[[], str]], str | None]]:
        """Something long begins. Call what this gives, often, with what can tell how it stands.

        It returns what was told, when it asked.
        """
        with self._console.status("") as status:
            live = self._console.is_terminal
            shown = time.monotonic()

            def show(tell: Callable[[], str]) -> str | None:
                nonlocal shown
                if time.monotonic() - shown < (_LOOK_EVERY if live else _LINE_EVERY):
                    return None
                shown = time.monotonic()
                told = tell()
                if live:
                    status.update(f"{self._seconds():5.1f} s  Waiting {told}")
                else:
                    self.note(f"  Waiting {told}")
                return told

            yield show

    def _seconds(self) -> float:
        return time.monotonic() - self._started


def _wait_until(
    stack: Stack,
    progress: Progress,
    tell: Callable[[], str],
    done: Callable[[], T | None],
    *,
    interval: float = 0.5,
) -> T:
    """Wait as long as something goes on; returns the first thing from ``done`` that is true."""
    moved, before = time.monotonic(), None
    with progress.waiting() as show:
        while not (result := done()):
            stack.processes.check()
            if (told := show(tell)) and told != before:
                moved, before = time.monotonic(), told
            if time.monotonic() > moved + _STUCK_AFTER:
                msg = (
                    f"Waited two minutes {tell()}, and nothing moved; "
                    f"the logs are in {stack.settings.logs}"
                )
                raise StackError(msg)
            time.sleep(interval)
    return result


def _wait_for_run(stack: Stack, dag: str, progress: Progress) -> str:
    """Wait until the newest run of a DAG has ended well; returns its id."""

    def run() -> dict[str, Any]:
        return next(iter(stack.api.runs(dag)), {"state": "not there yet"})

    def tell() -> str:
        known = run().get("dag_run_id")
        tasks = stack.api.tasks(dag, known) if known else []
        over = sum(task["state"] == "success" for task in tasks)
        return f"for {dag}: {over} of {len(tasks)} tasks done"

    def ended() -> dict[str, Any] | None:
        return found if (found := run())["state"] in {"success", "failed"} else None

    result = _wait_until(stack, progress, tell, ended)
    if result["state"] == "failed":
        logs = stack.settings.stack_dir / "airflow" / "logs"
        msg = f"A run of {dag} failed; its task logs are in {logs}"
        raise StackError(msg)
    return str(result["dag_run_id"])


def _polls(stack: Stack) -> bool:
    """Whether a poller holds the lease of the sync."""
    query = "SELECT count(*) FROM stripe_sync.poll_state WHERE lease_until > now()"
    with psycopg.connect(stack.warehouse_url) as connection:
        row = connection.execute(query).fetchone()
    return bool(row and row[0])


def _change_customer(stack: Stack, progress: Progress) -> Change:
    """Change a customer's name in the sandbox and wait for what the views say of it."""
    headers = {"Authorization": f"Bearer {stack.settings.api_key}"}
    with httpx.Client(base_url=stack.settings.api_base, headers=headers) as stripe:
        customer = stripe.get("/v1/customers", params={"limit": 1}).json()["data"][0]
        name = "Paul Atreides" if customer["name"] != "Paul Atreides" else "Duncan Idaho"
        changed = time.monotonic()
        stripe.post(f"/v1/customers/{customer['id']}", data={"name": name}).raise_for_status()
    with psycopg.connect(stack.warehouse_url, autocommit=True, row_factory=dict_row) as connection:

        def seen() -> Change | None:
            record = connection.execute(_RECORD, {"id": customer["id"], "name": name}).fetchone()
            event = connection.execute(_EVENT, {"id": customer["id"], "name": name}).fetchone()
            seconds = time.monotonic() - changed
            return Change(seconds, record, event) if record and event else None

        return _wait_until(stack, progress, lambda: _UNTIL_SEEN, seen, interval=0.05)
