"""``stripe-sync apply``: make syncs and consumers as a file declares them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from stripe_sync.accounts.plans.apply import ApplyPlan, apply_syncs, plan_apply
from stripe_sync.accounts.plans.sync_file import SYNCS
from stripe_sync.cli.management.differences import backfill_hint, change_row, check_answerable
from stripe_sync.cli.management.syncs import AsJson, WarehouseUrl
from stripe_sync.cli.output import FAILED, errors, print_json, print_table
from stripe_sync.consumers.declared import (
    CONSUMERS,
    ConsumerPlan,
    apply_consumers,
    plan_consumers,
)
from stripe_sync.declared.changes import FieldChange
from stripe_sync.declared.yaml_file import read_declared_file


def apply(
    *,
    warehouse_url: WarehouseUrl,
    file: Annotated[
        Path, typer.Option("--file", "-f", help="YAML with the lists syncs and consumers.")
    ] = Path("syncs.yaml"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create and change syncs and consumers so that they are as a file declares them.

    Shows the difference first, then asks. Asks Stripe nothing, deletes and backfills nothing. What
    is not in the file is left alone.
    """
    with errors():
        check_answerable(as_json=as_json, is_answered=yes or dry_run)
        declared = read_declared_file(file, {"syncs": SYNCS, "consumers": CONSUMERS})
        plan = plan_apply(warehouse_url, declared["syncs"])
        consumers = plan_consumers(warehouse_url, declared["consumers"])
        is_done = plan.is_done and all(each.action == "none" for each in consumers)
        if not as_json:
            _print(plan, consumers, is_done=is_done)
        if not (dry_run or is_done):
            if not (yes or typer.confirm("Apply that?", err=True)):
                typer.echo("Nothing was changed.", err=True)
                raise typer.Exit(FAILED)
            for done in apply_syncs(warehouse_url, declared["syncs"]):
                typer.echo(f"Sync {done.sync} {done.action}d", err=True)
            for each in apply_consumers(warehouse_url, declared["consumers"]):
                typer.echo(f"Consumer {each.consumer} {each.action}d", err=True)
    if as_json:
        print_json(
            {
                "syncs": plan.syncs,
                "consumers": consumers,
                "not_declared": plan.not_declared,
                "is_applied": not dry_run,
            }
        )
    else:
        for sync in plan.syncs:
            if sync.backfill:
                typer.echo(backfill_hint(sync.sync, sync.backfill))


def _print(plan: ApplyPlan, consumers: Sequence[ConsumerPlan], *, is_done: bool) -> None:
    rows = [row for each in plan.syncs for row in _rows(each.sync, each.action, each.changes)]
    print_table(("sync", "action", "field", "now", "in the file"), rows)
    rows = [row for each in consumers for row in _rows(each.consumer, each.action, each.changes)]
    print_table(("consumer", "action", "field", "now", "in the file"), rows)
    if is_done:
        typer.echo("All declared syncs and consumers are as they are declared.")
    if plan.not_declared and (plan.syncs or not consumers):
        names = ", ".join(plan.not_declared)
        typer.echo(f"Not in the file, left alone: {names}. To delete: stripe-sync syncs delete")


def _rows(name: str, action: str, changes: Sequence[FieldChange]) -> list[tuple[str, ...]]:
    is_new = action == "create"
    return [(name, action, *change_row(change, is_new=is_new)) for change in changes]
