"""``stripe-sync check``: whether all active syncs are up to date, for people and monitors."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stripe_sync.errors import StripeSyncError
from stripe_sync.records import canonical_json
from stripe_sync.use_cases import check_syncs
from stripe_sync.warehouse import SyncProblem

PROBLEMS, UNKNOWN = 1, 2

WarehouseUrl = Annotated[
    str, typer.Option(envvar="WAREHOUSE_URL", help="postgresql://user:password@host:5432/database")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def check(warehouse_url: WarehouseUrl, as_json: AsJson = False) -> None:
    """Check that all active syncs are up to date. Asks Stripe nothing and changes nothing.

    Exit code: 0 all are, 1 at least one is not (the reasons are printed), 2 it cannot be found out.
    """
    try:
        problems = check_syncs(warehouse_url)
    except StripeSyncError as error:
        typer.echo(f"The syncs cannot be checked: {error}", err=True)
        raise typer.Exit(UNKNOWN) from error
    if as_json:
        rows = [{"sync": problem.sync, "problem": problem.text} for problem in problems]
        typer.echo(canonical_json.dumps(rows))
    elif problems:
        _print(problems)
    else:
        typer.echo("All active syncs are up to date.")
    if problems:
        raise typer.Exit(PROBLEMS)


def _print(problems: list[SyncProblem]) -> None:
    table = Table("sync", "problem")
    for problem in problems:
        table.add_row(problem.sync, escape(problem.text))
    Console(highlight=False).print(table)
