"""``stripe-sync syncs replicate``: copy a sync that was tested onto a live mode key."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from stripe_sync.accounts.plans.replicate import Replication, replicate_sync
from stripe_sync.cli.management.differences import (
    backfill_hint,
    change_row,
    check_answerable,
    short_names,
)
from stripe_sync.cli.management.syncs import AsJson, WarehouseUrl
from stripe_sync.cli.output import FAILED, errors, print_json, print_table
from stripe_sync.client import Credential
from stripe_sync.client.credential import STRIPE_API_BASE
from stripe_sync.errors import ConfigurationError
from stripe_sync.sync.connections import Connections


def replicate(
    name: Annotated[str, typer.Argument(help="Name or id of the sync to copy.")],
    *,
    to: Annotated[
        str, typer.Option(help="Name of the live mode sync; created where it does not exist.")
    ],
    warehouse_url: WarehouseUrl,
    lake_url: Annotated[
        str, typer.Option(envvar="LAKE_URL", help="Folder or URL of the lake: s3://bucket/stripe")
    ],
    connection_id: Annotated[
        str | None,
        typer.Option(help="Airflow connection that has its live mode key, to be stored with it."),
    ] = None,
    key_variable: Annotated[
        str, typer.Option(help="Environment variable that holds the live mode key.")
    ] = "STRIPE_API_KEY",
    api_base: Annotated[
        str, typer.Option(envvar="STRIPE_API_BASE", help="Address of the API.")
    ] = STRIPE_API_BASE,
    account: Annotated[
        str | None,
        typer.Option(envvar="STRIPE_ACCOUNT", help="Connected account to act on, acct_…."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be done.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the collections, settings and metadata of a sync onto a live mode key.

    Shows what would be changed and which permissions the key lacks, then asks. Run again, it brings
    over what has changed. The live mode sync has to be backfilled then, by the DAG stripe_backfill.
    """
    with errors():
        check_answerable(as_json=as_json, is_answered=yes or dry_run)
        key = os.environ.get(key_variable, "")
        if not key:
            message = f"the environment variable {key_variable} has no key"
            raise ConfigurationError(message)
        credential = Credential(key, api_base, account or None)
        connections = Connections(credential, warehouse_url, lake_url)

        def run(*, dry: bool) -> Replication:
            return replicate_sync(connections, name, to, connection_id=connection_id, dry_run=dry)

        done = run(dry=dry_run or not yes)
        if not as_json:
            _print(done)
        if not (dry_run or yes) and done.action != "none":
            if not typer.confirm("Do that?", err=True):
                typer.echo("Nothing was changed.", err=True)
                raise typer.Exit(FAILED)
            done = run(dry=False)
    if as_json:
        print_json(done)
    elif done.is_applied and done.backfill:
        typer.echo(backfill_hint(done.target, done.backfill))


def _print(done: Replication) -> None:
    typer.echo(f"{done.source} → {done.target}, account {done.account_id or 'unknown'}, live mode")
    if done.action == "none":
        typer.echo(f"Sync {done.target} is up to date.")
    is_new = done.action == "create"
    columns = ("field", "now", f"{'created' if is_new else 'changed'} to")
    print_table(columns, [change_row(change, is_new=is_new) for change in done.changes])
    for each in done.missing:
        lacking = ", ".join(each.missing_read) or each.note
        typer.echo(f"The key may not read {short_names([each.collection])}: {lacking}")
    for note in done.notes:
        typer.echo(note)
