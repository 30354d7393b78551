"""``stripe-sync credentials``: what a Stripe key may do, and where to make one."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stripe_sync.accounts import (
    Access,
    CredentialHealth,
    HealthStatus,
    check_credential,
    create_key_url,
    describe_health,
)
from stripe_sync.accounts.syncs import describe_syncs
from stripe_sync.catalog import load_catalog
from stripe_sync.client import Credential
from stripe_sync.client.credential import STRIPE_API_BASE
from stripe_sync.errors import ConfigurationError, StripeSyncError
from stripe_sync.records import canonical_json
from stripe_sync.sync.connections import Connections, SyncSettings

LIMITED, UNUSABLE = 1, 2

HASH_SECRET_VARIABLE = "STRIPE_HASH_SECRET"  # noqa: S105 - a name

_STYLES = {Access.YES: "green", Access.NO: "red", Access.IN_PART: "yellow"}

app = typer.Typer(help="What a Stripe key may do.", no_args_is_help=True)

KeyVariable = Annotated[
    str, typer.Option("--key-variable", help="Environment variable that holds the key.")
]
ApiBase = Annotated[str, typer.Option(envvar="STRIPE_API_BASE", help="Address of the API.")]
Account = Annotated[
    str | None, typer.Option(envvar="STRIPE_ACCOUNT", help="Connected account to act on, acct_….")
]
ModeOption = Annotated[
    str | None, typer.Option("--mode", help="live or test: refuse a key of the other mode.")
]
WarehouseUrl = Annotated[
    str | None,
    typer.Option(envvar="WAREHOUSE_URL", help="To share the request budget with running syncs."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def check(
    *,
    key_variable: KeyVariable = "STRIPE_API_KEY",
    api_base: ApiBase = STRIPE_API_BASE,
    account: Account = None,
    mode: ModeOption = None,
    warehouse_url: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check which collections a key may read and write. Downloads and changes nothing.

    The key is read from an environment variable, never from the command line, which others can see.

    Exit code: 0 it may read all that its account has, 1 it lacks permissions, 2 it cannot be used.
    """
    try:
        key = os.environ.get(key_variable, "")
        if not key:
            message = f"the environment variable {key_variable} has no key"
            raise ConfigurationError(message)
        credential = Credential(key, api_base, account or None, mode=mode)  # type: ignore[arg-type]
        health = check_credential(credential, warehouse_url=warehouse_url)
    except StripeSyncError as error:
        typer.echo(f"The key cannot be used: {error}", err=True)
        raise typer.Exit(UNUSABLE) from error
    if as_json:
        typer.echo(canonical_json.dumps(health.as_json()))
    else:
        _print(health)
    if health.status is not HealthStatus.OK:
        raise typer.Exit(LIMITED if health.status is HealthStatus.LIMITED else UNUSABLE)


@app.command()
def new_key(
    test: Annotated[bool, typer.Option("--test/--live", help="Mode of the key.")] = False,
    collections: Annotated[
        list[str] | None, typer.Option("--collection", help="To be read; again for more.")
    ] = None,
    write: Annotated[
        list[str] | None, typer.Option(help="To be written as well; again for more.")
    ] = None,
) -> None:
    """Print a link to Stripe's page for a restricted key, with its permissions filled in."""
    catalog = load_catalog()
    try:
        read = [catalog.resolve(name) for name in collections] if collections else None
        written = [catalog.resolve(name) for name in write or ()]
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(UNUSABLE) from error
    typer.echo(create_key_url(read, test=test, write=written))


def connections_of(
    sync: str, warehouse_url: str, lake_url: str, key_variable: str, api_base: str
) -> Connections:
    """The key of a sync, from the environment, with warehouse, lake and settings in effect.

    Raises:
        ConfigurationError: There is no key, or it cannot be one.
    """
    key = os.environ.get(key_variable, "")
    if not key:
        message = f"the environment variable {key_variable} has no key"
        raise ConfigurationError(message)
    found = [each for each in describe_syncs(warehouse_url) if each.name == sync]
    settings = SyncSettings.parse(found[0].settings_in_effect if found else {})
    secret = os.environ.get(HASH_SECRET_VARIABLE) or None
    return Connections(Credential(key, api_base), warehouse_url, lake_url, settings, secret)


def _print(health: CredentialHealth) -> None:
    console = Console(highlight=False)
    if health.collections:
        table = Table("collection", "read", "write")
        table.add_column("missing permissions", overflow="fold")
        for each in health.collections:
            missing = ", ".join((*each.missing_read, *each.missing_write))
            name = each.collection.partition(":")[2]
            table.add_row(name, _cell(each.read), _cell(each.write), missing or escape(each.note))
        console.print(table)
    page = create_key_url(test=not health.livemode)
    console.print(escape(describe_health(health, key_page=page)), soft_wrap=True)


def _cell(access: Access) -> str:
    style = _STYLES.get(access)
    return f"[{style}]{access}[/]" if style else str(access)
