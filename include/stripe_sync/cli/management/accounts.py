"""``stripe-sync accounts``: the connected accounts of a Connect platform, and their syncs."""

from __future__ import annotations

from typing import Annotated

import typer

from stripe_sync.accounts import connected
from stripe_sync.cli.management.credentials import ApiBase, KeyVariable, connections_of
from stripe_sync.cli.management.syncs import AsJson, WarehouseUrl
from stripe_sync.cli.output import FAILED, errors, print_json, print_table
from stripe_sync.client.credential import STRIPE_API_BASE
from stripe_sync.errors import ConfigurationError
from stripe_sync.sync.connections import EVERY_ACCOUNT

app = typer.Typer(
    help="Connected accounts of a Connect platform: each becomes a sync of its own.",
    no_args_is_help=True,
)

Platform = Annotated[str, typer.Argument(help="Name of the platform's own sync.")]
LakeUrl = Annotated[
    str, typer.Option(envvar="LAKE_URL", help="Folder or URL of the lake: s3://bucket/stripe")
]


@app.command("list")
def list_(
    platform: Platform,
    *,
    warehouse_url: WarehouseUrl,
    lake_url: LakeUrl,
    key_variable: KeyVariable = "STRIPE_API_KEY",
    api_base: ApiBase = STRIPE_API_BASE,
    as_json: AsJson = False,
) -> None:
    """List the connected accounts, with their syncs. Changes nothing."""
    with errors():
        connections = connections_of(platform, warehouse_url, lake_url, key_variable, api_base)
        found = connected.list_connected_accounts(connections, platform)
    if as_json:
        print_json(found)
        return
    rows = [(each.account, each.name, each.state, each.sync) for each in found]
    print_table(("account", "name", "state", "sync"), rows)
    if not found:
        typer.echo("The account of this key has no connected accounts.")


@app.command()
def sync(
    platform: Platform,
    *,
    warehouse_url: WarehouseUrl,
    lake_url: LakeUrl,
    account: Annotated[
        list[str] | None, typer.Option(help="One of the accounts, acct_…; repeatable.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that have no sync yet.")] = False,
    key_variable: KeyVariable = "STRIPE_API_KEY",
    api_base: ApiBase = STRIPE_API_BASE,
    as_json: AsJson = False,
) -> None:
    """Create a sync for each connected account that has none; stripe_reconcile backfills it.

    Polling costs reads: all accounts of a platform share what Stripe allots it, 500 reads for each
    transaction and at least 10,000 in 30 days. 200 accounts polled twice a second would use 10,000
    up in 25 seconds, so their cadence is adaptive unless you say otherwise.

    Exit code: 0 all have a sync now, 1 at least one has none.
    """
    with errors():
        if every == bool(account):
            message = "give --all, or --account for each of the accounts"
            raise ConfigurationError(message)
        chosen = [EVERY_ACCOUNT] if every else account
        connections = connections_of(platform, warehouse_url, lake_url, key_variable, api_base)
        done = connected.sync_connected_accounts(connections, platform, chosen)
    if as_json:
        print_json(done)
    else:
        rows = [(each.connected_account, each.name, "created") for each in done.created]
        failed = [(name, None, message) for name, message in done.failed.items()]
        print_table(("account", "sync", "result"), [*rows, *failed])
        typer.echo(f"{len(done.created)} created, {len(done.present)} there already")
    if done.failed:
        raise typer.Exit(FAILED)
