"""The command line behind ``make``."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable

import typer
from rich.console import Console
from rich.markup import escape

from stripe_stack.airflow.components import airflow_command, prepare
from stripe_stack.airflow.environment import (
    USER,
    airflow_environment,
    base_url,
    warehouse_url,
)
from stripe_stack.errors import StackError
from stripe_stack.processes import stop_on_signals
from stripe_stack.settings import ROOT, exempt_loopback_from_proxies, read_settings
from stripe_stack.stack import DAGS, Stack, postgres_of, running
from stripe_stack.views import create_views, views_exist
from stripe_sync import libpq
from stripe_sync.dbt_runner import dbt_command, dbt_environment

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)
console = Console(highlight=False)

_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command()
def demo() -> None:
    """Run everything once on sandbox data, and stop."""
    from stripe_stack.demo.run import run_demo

    run_demo(console)


@app.command()
def up() -> None:
    """Keep everything running until Ctrl-C."""
    settings = read_settings()
    started = time.monotonic()
    report = _progress_printer(started)
    with running(settings, report) as stack:
        if not views_exist(settings, stack.warehouse_url):
            report("Creating the views")
            if problem := create_views(settings, stack.warehouse_url):
                report(problem)
        first = not stack.api.runs("stripe_backfill")
        for dag in DAGS:
            stack.api.unpause(dag)
        if first:
            stack.api.trigger("stripe_backfill")
        _print_summary(stack, first=first)
        _wait(stack)


@app.command(context_settings=_PASS_ON)
def psql(context: typer.Context) -> None:
    """Open the warehouse in psql, which gets further arguments."""
    settings = read_settings()
    with postgres_of(settings) as (postgres, _):
        parameters = libpq.connection_parameters(warehouse_url(settings, postgres))
        with libpq.environment(parameters) as variables:
            _run([postgres.psql(), *context.args], {**os.environ, **variables})


@app.command("airflow", context_settings=_PASS_ON)
def airflow_cli(context: typer.Context) -> None:
    """Run Airflow's command line in the stack's environment."""
    settings = read_settings()
    with postgres_of(settings) as (postgres, secrets):
        environment = airflow_environment(settings, secrets, postgres)
        prepare(settings, secrets, environment)
        _run(airflow_command(*context.args), environment)


@app.command()
def docs() -> None:
    """Build the data docs into dbt/target."""
    settings, project = read_settings(), ROOT / "dbt"
    with postgres_of(settings) as (postgres, _):
        environment = dbt_environment(
            warehouse_url(settings, postgres), project, settings.stripe_views_schema
        )
        _run(dbt_command(project, "docs"), environment)


def main() -> None:
    """Run the command line; an error is one line and the exit code 1."""
    stop_on_signals()
    exempt_loopback_from_proxies()
    try:
        app()
    except StackError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"[red]✗[/red] {escape(str(error))}"
        )
        raise SystemExit(1) from None


def _progress_printer(started: float) -> Callable[[str], None]:
    def report(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:5.1f} s[/dim]  {text}")

    return report


def _print_summary(stack: Stack, *, first: bool) -> None:
    settings = stack.settings
    source = "the sandbox" if settings.uses_sandbox else settings.api_base
    state = "The first backfill has begun." if first else "What was there before is still there."
    lines = {
        "Airflow": base_url(settings),
        "Login": f"{USER} / {stack.secrets.admin_password}",
        "Stripe": source,
        "Warehouse": "make psql",
        "Lake": settings.lake,
        "Logs": str(settings.logs),
    }
    console.print()
    for title, text in lines.items():
        console.print(f"[bold]{title:<10}[/bold] {escape(text)}", soft_wrap=True)
    console.print(f"\n{state} Ctrl-C stops everything.")


def _wait(stack: Stack) -> None:
    """Wait for Ctrl-C."""
    try:
        while True:
            stack.processes.check()
            time.sleep(1)
    except KeyboardInterrupt:
        console.print()


def _run(command: list[str], environment: dict[str, str]) -> None:
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
