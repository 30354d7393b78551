"""``stripe-sync syncs``: list, create, change, pause, resume and delete syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from stripe_sync.accounts import deletion
from stripe_sync.accounts import sync_status as sync_statuses
from stripe_sync.accounts import syncs as stored
from stripe_sync.accounts.syncs import SyncChanges, SyncInfo
from stripe_sync.cli.output import FAILED, errors, print_json, print_table
from stripe_sync.cli.pairs import pairs
from stripe_sync.records import canonical_json

app = typer.Typer(
    help="Syncs: one Stripe account and mode each. No command asks Stripe anything.",
    no_args_is_help=True,
)

WarehouseUrl = Annotated[
    str, typer.Option(envvar="WAREHOUSE_URL", help="postgresql://user:password@host:5432/database")
]
LakeUrl = Annotated[
    str | None,
    typer.Option(envvar="LAKE_URL", help="Folder or URL of the lake: s3://bucket/stripe"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Name = Annotated[str, typer.Argument(help="Name of the sync, or its id.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--setting", help="NAME=VALUE, repeatable. An empty value removes it."),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", help="NAME=VALUE, repeatable. An empty value removes it."),
]
ExternalId = Annotated[
    str | None, typer.Option(help="Your own id of the sync. An empty one removes it.")
]
ConnectedAccount = Annotated[
    str | None,
    typer.Option(help="Connected account, acct_…, that the key acts on. An empty one removes it."),
]
ConnectionId = Annotated[
    str | None,
    typer.Option(help="Airflow connection that has its key; by default stripe_<name>."),
]


@app.command("list")
def list_(
    warehouse_url: WarehouseUrl,
    external_id: Annotated[str | None, typer.Option(help="Only those with this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """List all syncs."""
    with errors():
        found = stored.describe_syncs(warehouse_url, external_id=external_id)
    if as_json:
        print_json(found)
        return
    columns = ("name", "status", "account", "mode", "collections", "external_id", "connection")
    print_table(columns, [_row(sync) for sync in found])


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, - and _.")],
    *,
    warehouse_url: WarehouseUrl,
    live: Annotated[bool, typer.Option("--live/--test", help="Mode of its key.")] = False,
    collection: Annotated[
        list[str] | None, typer.Option(help="One of its collections, repeatable. None: all.")
    ] = None,
    setting: Settings = None,
    metadata: Metadata = None,
    external_id: ExternalId = None,
    connection_id: ConnectionId = None,
    connected_account: ConnectedAccount = None,
    as_json: AsJson = False,
) -> None:
    """Create a sync. Its key is needed when it first runs."""
    with errors():
        changes = _changes(setting, metadata, external_id, connection_id, connected_account)
        if collection:
            changes["collections"] = collection
        _print_sync(stored.create_sync(warehouse_url, name, livemode=live, **changes), as_json)


@app.command()
def update(
    name: Name,
    *,
    warehouse_url: WarehouseUrl,
    add: Annotated[
        list[str] | None, typer.Option(help="Collection to add, repeatable. It needs a backfill.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Collection to remove, repeatable. Its records stay.")
    ] = None,
    all_collections: Annotated[
        bool, typer.Option("--all-collections", help="All collections, later ones too.")
    ] = False,
    setting: Settings = None,
    metadata: Metadata = None,
    external_id: ExternalId = None,
    connection_id: ConnectionId = None,
    connected_account: ConnectedAccount = None,
    as_json: AsJson = False,
) -> None:
    """Change a sync; what is not named stays as it is."""
    with errors():
        changes = _changes(setting, metadata, external_id, connection_id, connected_account)
        if all_collections:
            changes["collections"] = None
        if add or remove:
            changes["collections"] = stored.changed_collections(
                stored.get_sync(warehouse_url, name), add=add or (), remove=remove or ()
            )
        _print_sync(stored.update_sync(warehouse_url, name, **changes), as_json)


@app.command()
def pause(name: Name, warehouse_url: WarehouseUrl, as_json: AsJson = False) -> None:
    """Send no more requests for a sync, until it is resumed."""
    with errors():
        _print_sync(stored.pause_sync(warehouse_url, name), as_json)


@app.command()
def resume(name: Name, warehouse_url: WarehouseUrl, as_json: AsJson = False) -> None:
    """Let a paused sync go on where it stopped."""
    with errors():
        _print_sync(stored.resume_sync(warehouse_url, name), as_json)


@app.command()
def delete(
    name: Name,
    *,
    warehouse_url: WarehouseUrl,
    lake_url: LakeUrl = None,
    drop_data: Annotated[
        bool,
        typer.Option("--drop-data", help="Delete its records, change events and lake files too."),
    ] = False,
    confirm: Annotated[
        str | None, typer.Option(help="The name again, instead of the question.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Delete a sync. Nothing in Stripe is changed; other syncs are not touched."""
    what = "the sync and all its data" if drop_data else "the sync; its data stays"
    answer = confirm or typer.prompt(f"This deletes {what}. Type its name to go on", err=True)
    if answer != name:
        typer.echo("Nothing was deleted: the name is another one.", err=True)
        raise typer.Exit(FAILED)
    with errors():
        done = deletion.delete_sync(
            warehouse_url,
            name,
            keep_data=not drop_data,
            lake_url=lake_url,
            progress=lambda kind, count: typer.echo(f"{count} {kind} deleted", err=True),
        )
    if as_json:
        print_json(done)
    else:
        print_table(
            ("sync", "records", "events", "files", "data"),
            [(done.name, done.records, done.events, done.files, "kept" if done.data_kept else "-")],
        )


@app.command()
def status(name: Name, warehouse_url: WarehouseUrl, as_json: AsJson = False) -> None:
    """Print the state of a sync: its polling, its problems, each collection."""
    with errors():
        found = sync_statuses.sync_status(warehouse_url, name)
    if as_json:
        print_json(found)
        return
    polling = found.polling
    state = "up to date" if found.is_up_to_date else "not up to date"
    typer.echo(f"{found.sync.name}: {found.sync.status}, {state}")
    typer.echo(
        f"polled at {polling.polled_at or 'no time'}, {polling.polls} polls, "
        f"{polling.changes} changes, {polling.pending_fetches} pending fetches"
    )
    for problem in found.problems:
        typer.echo(f"problem: {problem}")
    print_table(
        ("collection", "status", "objects", "percent", "reconciled_at", "drift", "message"),
        [
            (
                each.collection_id.partition(":")[2],
                each.status,
                each.objects,
                each.percent,
                each.reconciled_at,
                each.drift,
                each.message,
            )
            for each in found.collections
        ],
    )


def _changes(
    setting: Sequence[str] | None,
    metadata: Sequence[str] | None,
    external_id: str | None,
    connection_id: str | None,
    connected_account: str | None,
) -> SyncChanges:
    """What the options of ``create`` and ``update`` name.

    Raises:
        ConfigurationError: An option has no ``=``.
    """
    changes: SyncChanges = {}
    if setting:
        changes["settings"] = pairs("--setting", setting)
    if metadata:
        changes["metadata"] = pairs("--metadata", metadata)
    if external_id is not None:
        changes["external_id"] = external_id or None
    if connection_id is not None:
        changes["connection_id"] = connection_id or None
    if connected_account is not None:
        changes["connected_account"] = connected_account or None
    return changes


def _row(sync: SyncInfo) -> tuple[object, ...]:
    names = [name.partition(":")[2] for name in sync.collection_ids or ()]
    return (
        sync.name,
        sync.status,
        sync.account_id or sync.connected_account or "not known yet",
        "live" if sync.livemode else "test",
        ", ".join(names) or "all",
        sync.external_id,
        sync.conn_id,
    )


def _print_sync(sync: SyncInfo, as_json: bool) -> None:
    if as_json:
        print_json(sync)
        return
    columns = ("sync", "status", "account", "mode", "collections", "external_id", "connection")
    print_table(columns, [_row(sync)])
    print_table(
        ("setting", "value"),
        [(name, canonical_json.dumps(value).decode()) for name, value in sync.settings.items()],
    )
