"""``stripe-sync apply``: make the syncs as a file declares them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stripe_sync.accounts.plans.apply import ApplyPlan, apply_syncs, plan_apply
from stripe_sync.accounts.plans.sync_file import read_sync_file
from stripe_sync.cli.differences import backfill_hint, change_row, check_answerable
from stripe_sync.cli.output import FAILED, errors, print_json, print_table
from stripe_sync.cli.syncs import AsJson, WarehouseUrl


def apply(
    *,
    warehouse_url: WarehouseUrl,
    file: Annotated[Path, typer.Option("--file", "-f", help="YAML with the list syncs.")] = Path(
        "syncs.yaml"
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create and change syncs so that they are as a file declares them.

    Shows the difference first, then asks. Asks Stripe nothing, deletes and backfills nothing. Syncs
    that are not in the file are left alone.
    """
    with errors():
        check_answerable(as_json=as_json, is_answered=yes or dry_run)
        declared = read_sync_file(file)
        plan = plan_apply(warehouse_url, declared)
        if not as_json:
            _print(plan)
        if not (dry_run or plan.is_done):
            if not (yes or typer.confirm("Apply that?", err=True)):
                typer.echo("Nothing was changed.", err=True)
                raise typer.Exit(FAILED)
            for done in apply_syncs(warehouse_url, declared):
                typer.echo(f"Sync {done.sync} {done.action}d", err=True)
    if as_json:
        others = plan.not_declared
        print_json({"syncs": plan.syncs, "not_declared": others, "is_applied": not dry_run})
    else:
        for each in plan.syncs:
            if each.backfill:
                typer.echo(backfill_hint(each.sync, each.backfill))


def _print(plan: ApplyPlan) -> None:
    rows = []
    for each in plan.syncs:
        is_new = each.action == "create"
        rows += [
            (each.sync, each.action, *change_row(change, is_new=is_new)) for change in each.changes
        ]
    print_table(("sync", "action", "field", "now", "in the file"), rows)
    if plan.is_done:
        typer.echo("All declared syncs are as they are declared.")
    if plan.not_declared:
        names = ", ".join(plan.not_declared)
        typer.echo(f"Not in the file, left alone: {names}. To delete: stripe-sync syncs delete")
