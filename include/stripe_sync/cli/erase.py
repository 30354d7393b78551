"""``stripe-sync erase``: erase a customer and what belongs to them."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stripe_sync.accounts.erasing.erasure import CustomerErasure, erase_customer
from stripe_sync.errors import StripeSyncError

FAILED = 1

WarehouseUrl = Annotated[
    str, typer.Option(envvar="WAREHOUSE_URL", help="postgresql://user:password@host:5432/database")
]
LakeUrl = Annotated[
    str, typer.Option(envvar="LAKE_URL", help="Folder or URL of the lake: s3://bucket/stripe")
]


def erase(
    sync: Annotated[str, typer.Argument(help="Name of the sync, or its id.")],
    customer: Annotated[
        str,
        typer.Argument(help="Id of the customer, cus_…; of a guest's payment, pi_…, ch_…, cs_…."),
    ],
    *,
    warehouse_url: WarehouseUrl,
    lake_url: LakeUrl,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    confirm: Annotated[
        str | None, typer.Option(help="The id again, instead of the question.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Erase a customer and what belongs to them from warehouse and lake, for good.

    They are not stored again, whatever is read.

    Nothing in Stripe is changed: delete or redact the customer there first.

    Interrupted, it goes on when it is called again, or in the next maintenance.
    """
    try:
        if not dry_run and confirm is None:
            # What is counted first is what the question is about.
            counted = erase_customer(warehouse_url, lake_url, sync, customer, dry_run=True)
            _print_table(counted, stderr=True)
            question = f"This erases all of that, for good. Type {customer} to go on"
            confirm = typer.prompt(question, err=True)
        if not dry_run and confirm != customer:
            typer.echo("Nothing was erased: the id is another one.", err=True)
            raise typer.Exit(FAILED)
        erased = erase_customer(warehouse_url, lake_url, sync, customer, dry_run=dry_run)
    except StripeSyncError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from error
    if as_json:
        typer.echo(TypeAdapter(CustomerErasure).dump_json(erased).decode())
    else:
        _print_table(erased)


def _print_table(erasure: CustomerErasure, *, stderr: bool = False) -> None:
    table = Table("collection", "objects")
    for name, count in erasure.objects.items():
        table.add_row(escape(name), str(count))
    console = Console(highlight=False, stderr=stderr)
    console.print(table)
    verb = "to erase" if erasure.dry_run else "erased"
    console.print(
        f"{verb}: {erasure.records} records, {erasure.events} change events"
        + ("" if erasure.dry_run else f", {erasure.files} lake files")
    )
