"""``stripe-sync consumers``: who reads the streams, how far each is, and what it did not get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from stripe_sync.cli.management.syncs import AsJson, Metadata, WarehouseUrl
from stripe_sync.cli.output import FAILED, errors, print_json, print_table
from stripe_sync.cli.pairs import pairs
from stripe_sync.consumers import management
from stripe_sync.records import canonical_json
from stripe_sync.warehouse.consumers.consumers import ConsumerInfo

app = typer.Typer(
    help="Consumers: named readers of the streams. The DAG stripe_deliver delivers to them.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="Name of the consumer, or its id.")]
Several = "repeatable. None: all."


@app.command("list")
def list_(warehouse_url: WarehouseUrl, as_json: AsJson = False) -> None:
    """List all consumers, and how far each is."""
    with errors():
        found = management.describe_consumers(warehouse_url)
    if as_json:
        print_json(found)
        return
    columns = ("name", "kind", "stream", "status", "lag", "delivered", "pending", "dead", "why")
    print_table(columns, [_row(each) for each in found])


@app.command()
def show(consumer: Name, *, warehouse_url: WarehouseUrl, as_json: AsJson = False) -> None:
    """Show one consumer."""
    with errors():
        _print(management.get_consumer(warehouse_url, consumer), as_json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, - and _.")],
    *,
    warehouse_url: WarehouseUrl,
    kind: Annotated[str, typer.Option(help="pull, webhook, postgres or kafka.")],
    stream: Annotated[str, typer.Option(help="records or events.")] = "records",
    sync: Annotated[list[str] | None, typer.Option(help=f"A sync, {Several}")] = None,
    collection: Annotated[list[str] | None, typer.Option(help=f"A collection, {Several}")] = None,
    event_type: Annotated[
        list[str] | None, typer.Option(help=f"created, updated or deleted, {Several}")
    ] = None,
    start: Annotated[
        str, typer.Option("--from", help="all, new, 30m, a time with its zone, or a cursor.")
    ] = "all",
    connection_id: Annotated[
        str | None, typer.Option(help="Airflow connection of its target.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, repeatable; VALUE may be JSON.")
    ] = None,
    metadata: Metadata = None,
    paused: Annotated[bool, typer.Option("--paused", help="Begin paused.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create a consumer."""
    filters = {
        "sync_id": sync or [],
        "collection_id": collection or [],
        "event_type": event_type or [],
    }
    with errors():
        made = management.create_consumer(
            warehouse_url,
            name,
            kind,
            stream=stream,
            filters=filters,
            deliver_policy=start,
            connection_id=connection_id,
            settings=_values(setting),
            metadata={
                key: value or "" for key, value in pairs("--metadata", metadata or []).items()
            },
            paused=paused,
        )
        _print(made, as_json)


@app.command()
def pause(consumer: Name, *, warehouse_url: WarehouseUrl, as_json: AsJson = False) -> None:
    """Deliver nothing more to a consumer; its cursor stays."""
    with errors():
        _print(management.pause_consumer(warehouse_url, consumer), as_json)


@app.command()
def resume(consumer: Name, *, warehouse_url: WarehouseUrl, as_json: AsJson = False) -> None:
    """Let a consumer go on; one that is failing is tried again at once."""
    with errors():
        _print(management.resume_consumer(warehouse_url, consumer), as_json)


@app.command()
def replay(
    consumer: Name,
    *,
    warehouse_url: WarehouseUrl,
    start: Annotated[str, typer.Option("--from", help="all, new, 30m, a time, or a cursor.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Deliver again from an earlier place, or skip to a later one."""
    with errors():
        if not yes and not typer.confirm(f"Move consumer {consumer} to {start}?", err=True):
            typer.echo("Nothing was changed.", err=True)
            raise typer.Exit(FAILED)
        _print(management.replay_consumer(warehouse_url, consumer, start), as_json)


@app.command()
def delete(
    consumer: Name,
    *,
    warehouse_url: WarehouseUrl,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget a consumer, its cursor and its dead letters; its target keeps what it has."""
    with errors():
        found = management.get_consumer(warehouse_url, consumer)
        if not yes and not typer.confirm(f"Delete consumer {found.name}?", err=True):
            typer.echo("Nothing was changed.", err=True)
            raise typer.Exit(FAILED)
        management.delete_consumer(warehouse_url, found.name)
    typer.echo(f"Consumer {found.name} is deleted.", err=True)


@app.command("dead-letters")
def dead_letters(
    consumer: Name,
    *,
    warehouse_url: WarehouseUrl,
    redeliver: Annotated[
        bool, typer.Option("--redeliver", help="Deliver all of them once more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show items that were given up, 1,000 at most."""
    with errors():
        if redeliver:
            count = management.redeliver_dead_letters(warehouse_url, consumer)
            typer.echo(f"{count} dead letters are delivered once more.", err=True)
            return
        found = management.dead_letters(warehouse_url, consumer, limit=1_000)
    if as_json:
        print_json(found)
        return
    columns = ("seq", "collection", "object", "tries", "why")
    print_table(
        columns,
        [
            (each.seq, each.collection_id, each.upstream_id, each.deliveries, each.error)
            for each in found
        ],
    )


def _values(texts: Sequence[str] | None) -> dict[str, Any]:
    """Settings from NAME=VALUE; a value that is JSON is read as such."""
    values: dict[str, Any] = {}
    for name, text in pairs("--setting", texts or []).items():
        try:
            values[name] = canonical_json.loads(text or '""')
        except ValueError:
            values[name] = text
    return values


def _row(each: ConsumerInfo) -> tuple[object, ...]:
    lag = f"{each.lag_items} ({each.lag_seconds:.1f} s)" if each.lag_items else "0"
    why = each.pause_reason or each.last_error or each.warning
    return (
        *(each.name, each.kind, each.stream, each.status, lag),
        *(each.delivered, each.pending, each.dead, why),
    )


def _print(consumer: ConsumerInfo, as_json: bool) -> None:
    if as_json:
        print_json(consumer)
        return
    rows = []
    for name in ConsumerInfo.__slots__:
        value = getattr(consumer, name)
        is_plain = value is None or not isinstance(value, dict)
        rows.append((name, value if is_plain else canonical_json.dumps(value).decode()))
    print_table(("field", "value"), [row for row in rows if row[1] not in (None, "{}")])
