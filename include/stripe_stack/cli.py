"""The command line behind ``make``."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence

import typer
from rich.console import Console
from rich.markup import escape

from stripe_stack import ROOT, preflight
from stripe_stack.airflow.components import airflow_command, prepare
from stripe_stack.airflow.connections import stack_connections, store_connections
from stripe_stack.airflow.environment import (
    USER,
    airflow_environment,
    base_url,
    console_url,
    warehouse_url,
)
from stripe_stack.current_sync import choose_sync, last_sync, switch_sync
from stripe_stack.errors import StackError
from stripe_stack.processes import stop_on_signals
from stripe_stack.settings import exempt_loopback_from_proxies, read_settings, stack_secrets
from stripe_stack.stack import Stack, make_folder, postgres_of, running
from stripe_stack.up import FirstRuns, make_views, problems, unpause_all, watch
from stripe_stack.variables import load_env_file
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
    report = _progress_printer(time.monotonic())
    with running(settings, report) as stack:
        make_views(stack, report)
        unpause_all(stack)
        first_runs = FirstRuns(stack)
        state, known = first_runs.start(), problems(stack, settled=False)
        _print_summary(stack, state, known)
        try:
            watch(stack, first_runs, known, _print_news)
        except KeyboardInterrupt:
            console.print()


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
        environment = airflow_environment(settings, secrets, postgres, last_sync(settings))
        prepare(settings, secrets, environment)
        _run(airflow_command(*context.args), environment)


@app.command()
def connections() -> None:
    """Write the settings into the connections of an Airflow that is not the local stack's."""
    settings = read_settings()
    if settings.uses_sandbox or settings.warehouse_url is None or settings.lake_url is None:
        msg = (
            "STRIPE_API_KEY, WAREHOUSE_URL and LAKE_URL are needed: set them, in .env for example."
        )
        raise StackError(msg)
    preflight.check_warehouse(settings)
    url, account_id = settings.warehouse_url.get_secret_value(), preflight.check_account(settings)
    make_folder(settings.folder)
    key = stack_secrets(settings.stack_dir).fernet_key
    sync = choose_sync(settings, url, account_id)
    for line in switch_sync(settings, url, sync):
        console.print(line)
    wanted = stack_connections(settings, sync, url)
    for line in store_connections(wanted, settings.folder, key, os.environ):
        console.print(line)
    console.print(f"The connections {', '.join(wanted)} are as the settings say.")


@app.command()
def docs() -> None:
    """Build the data docs into dbt/target."""
    settings, project = read_settings(), ROOT / "dbt"
    with postgres_of(settings) as (postgres, _):
        environment = dbt_environment(
            warehouse_url(settings, postgres),
            project,
            settings.stripe_views_schema,
            settings.stripe_marts,
        )
        _run(dbt_command(project, "docs"), environment)


def main() -> None:
    """Run the command line; an error is one line and the exit code 1."""
    stop_on_signals()
    try:
        load_env_file()
        exempt_loopback_from_proxies()
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


def _print_summary(stack: Stack, state: str, known: Sequence[str]) -> None:
    settings = stack.settings
    lines = {
        "Airflow": base_url(settings),
        "Console": console_url(settings),
        "Login": f"{USER} / {stack.secrets.admin_password}",
        "Stripe": "the sandbox" if settings.uses_sandbox else settings.api_base,
        "Sync": stack.sync,
        "Warehouse": "make psql",
        "Lake": settings.lake,
        "Logs": str(settings.logs),
    }
    console.print()
    for title, text in lines.items():
        console.print(f"[bold]{title:<10}[/bold] {escape(text)}", soft_wrap=True)
    console.print()
    for problem in known:
        _print_news(problem)
    console.print(f"{escape(state)} Ctrl-C stops everything.", soft_wrap=True)


def _print_news(text: str) -> None:
    console.print(f"[yellow]![/yellow] {escape(text)}", soft_wrap=True)


def _run(command: list[str], environment: dict[str, str]) -> None:
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
