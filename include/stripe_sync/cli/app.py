"""The commands of ``stripe-sync``."""

from __future__ import annotations

import typer

from stripe_sync.cli.check import check
from stripe_sync.cli.erase import erase
from stripe_sync.cli.management import accounts, credentials, syncs
from stripe_sync.cli.management.apply import apply
from stripe_sync.cli.management.replicate import replicate
from stripe_sync.cli.mutate import mutate
from stripe_sync.cli.rebuild_types import rebuild_types
from stripe_sync.cli.streams import consumers
from stripe_sync.cli.streams.tail import tail

app = typer.Typer(
    name="stripe-sync",
    help="Replicates Stripe accounts into Parquet files and a PostgreSQL warehouse.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(apply)
app.command()(check)
app.add_typer(accounts.app, name="accounts")
app.command()(erase)
app.add_typer(consumers.app, name="consumers")
app.add_typer(credentials.app, name="credentials")
app.command()(mutate)
app.command()(rebuild_types)
syncs.app.command()(replicate)
app.add_typer(syncs.app, name="syncs")
app.command()(tail)


def main() -> None:
    """Entry point of the script."""
    app()
