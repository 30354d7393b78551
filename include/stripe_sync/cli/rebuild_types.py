"""``stripe-sync rebuild-types``: fill the typed tables again from the payloads."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stripe_sync.cli.management.syncs import WarehouseUrl
from stripe_sync.cli.output import errors
from stripe_sync.use_cases import rebuild_types as rebuild


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
    with errors(), console.status("typed tables") as status:
        filled = rebuild(
            warehouse_url,
            collections,
            progress=lambda name, rows: status.update(f"{escape(name)}: {rows} rows"),
        )
    table = Table("collection", "rows filled")
    for collection_id, rows in filled.items():
        if rows:
            table.add_row(escape(collection_id), str(rows))
    Console(highlight=False).print(table)
