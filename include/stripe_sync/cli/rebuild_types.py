"""``stripe-sync rebuild-types``: fill the typed tables again from the payloads."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stripe_sync.errors import StripeSyncError
from stripe_sync.use_cases import rebuild_types as rebuild

FAILED = 1

WarehouseUrl = Annotated[
    str, typer.Option(envvar="WAREHOUSE_URL", help="postgresql://user:password@host:5432/database")
]


def rebuild_types(
    collections: Annotated[
        list[str] | None, typer.Argument(help="stripe:customer …; all when none is named.")
    ] = None,
    *,
    warehouse_url: WarehouseUrl,
) -> None:
    """Fill the typed tables behind the views again from the payloads. Asks Stripe nothing.

    Readers and syncs go on meanwhile. Interrupted, it goes on in the next maintenance.
    """
    console = Console(stderr=True, highlight=False)
    try:
        with console.status("typed tables") as status:
            filled = rebuild(
                warehouse_url,
                collections,
                progress=lambda name, rows: status.update(f"{escape(name)}: {rows} rows"),
            )
    except StripeSyncError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from error
    table = Table("collection", "rows filled")
    for collection_id, rows in filled.items():
        if rows:
            table.add_row(escape(collection_id), str(rows))
    Console(highlight=False).print(table)
