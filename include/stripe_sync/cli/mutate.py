"""``stripe-sync mutate``: create, update, delete objects in Stripe and in the streams at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from stripe_sync.accounts.syncs import get_sync
from stripe_sync.catalog import Collection, load_catalog
from stripe_sync.cli.management.credentials import ApiBase, KeyVariable, connections_of
from stripe_sync.cli.management.syncs import AsJson
from stripe_sync.cli.output import FAILED, print_json, print_table
from stripe_sync.client.credential import STRIPE_API_BASE
from stripe_sync.errors import ConfigurationError, IdempotencyConflict, StripeSyncError
from stripe_sync.mutations.mutation import Mutation, RunOptions
from stripe_sync.mutations.report import MutationReport, report_json
from stripe_sync.mutations.use_case import run_mutation
from stripe_sync.mutations.validation import check, collection_to_write
from stripe_sync.mutations.verbs import mutable_collections, verbs_of
from stripe_sync.records import canonical_json

BAD_USAGE = 2

STANDARD_INPUT = "-"

WarehouseUrl = Annotated[
    str | None,
    typer.Option(envvar="WAREHOUSE_URL", help="postgresql://user:password@host:5432/database"),
]
LakeUrl = Annotated[
    str | None,
    typer.Option(envvar="LAKE_URL", help="Folder or URL of the lake: s3://bucket/stripe"),
]


def mutate(
    sync: Annotated[
        str | None, typer.Argument(help="Name of the sync, or its id. With --list: a collection.")
    ] = None,
    collection: Annotated[str | None, typer.Argument(help="stripe:customer, or customer.")] = None,
    kind: Annotated[
        str | None, typer.Argument(help="create, update, delete or an action such as cancel.")
    ] = None,
    source: Annotated[
        str | None, typer.Argument(metavar="[-]", help="- reads records from standard input.")
    ] = None,
    *,
    data: Annotated[
        str | None, typer.Option(help="JSON: an object, or an array of 1 to 100 objects.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="File with the same.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Same key, same run: nothing is executed twice in 30 days.")
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Send all records, whatever fails.")
    ] = False,
    await_: Annotated[
        list[str] | None, typer.Option("--await", help="Consumer to wait for; repeatable.")
    ] = None,
    await_timeout: Annotated[float, typer.Option(help="Longest wait in seconds.")] = 30.0,
    allow_unknown_params: Annotated[
        bool, typer.Option(help="Send parameters that Stripe's SDK does not know.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask in live mode.")] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="Print which collections have which kinds.")
    ] = False,
    warehouse_url: WarehouseUrl = None,
    lake_url: LakeUrl = None,
    key_variable: KeyVariable = "STRIPE_API_KEY",
    api_base: ApiBase = STRIPE_API_BASE,
    as_json: AsJson = False,
) -> None:
    """Create, update or delete objects in Stripe; the streams have them when it ends.

    Exit code: 0 all done, 1 at least one failed, 2 nothing was sent because something is wrong.
    """
    try:
        if list_:
            _print_kinds(sync)
            return
        name = _given("SYNC", sync)
        what = _given("COLLECTION", collection), _given("KIND", kind)
        url = _given("--warehouse-url or WAREHOUSE_URL", warehouse_url)
        lake = _given("--lake-url or LAKE_URL", lake_url)
        records = _records(data, file, source)
        mutation = Mutation(
            *what,
            records,
            key=key,
            allow_unknown_params=allow_unknown_params,
        )
        options = RunOptions("continue" if go_on else "stop", await_ or (), await_timeout)
        stored = get_sync(url, name)
        check(
            mutation.collection_id,
            mutation.kind,
            records,
            allow_unknown_params=allow_unknown_params,
        )
        if stored.livemode and not yes:
            _confirm(stored.name, mutation, can_ask=source is None)
        connections = connections_of(stored.name, url, lake, key_variable, api_base)
        report = run_mutation(connections, stored.name, mutation, options)
    except (ConfigurationError, IdempotencyConflict) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_USAGE) from error
    except StripeSyncError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from error
    _print(report, as_json=as_json)
    if report.failed or report.late:
        raise typer.Exit(FAILED)


def _given(what: str, value: str | None) -> str:
    if not value:
        message = f"{what} is missing: stripe-sync mutate SYNC COLLECTION KIND, or --list"
        raise ConfigurationError(message)
    return value


def _records(data: str | None, file: Path | None, source: str | None) -> list[Any]:
    """The records of the command; one object is one record.

    Raises:
        ConfigurationError: There are none, or they are no JSON.
    """
    if source not in {None, STANDARD_INPUT}:
        message = f"the fourth argument can only be {STANDARD_INPUT}, for standard input"
        raise ConfigurationError(message)
    if [data, file, source].count(None) != 2:  # noqa: PLR2004 - one of three
        message = f"give one of --data, --file and {STANDARD_INPUT}"
        raise ConfigurationError(message)
    try:
        if data is not None:
            text = data.encode()
        else:
            text = file.read_bytes() if file else sys.stdin.buffer.read()
        found = canonical_json.loads(text)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise ConfigurationError(message) from None
    except ValueError as error:
        message = f"the records are no JSON: {error}"
        raise ConfigurationError(message) from None
    return found if isinstance(found, list) else [found]


def _confirm(sync: str, mutation: Mutation, *, can_ask: bool) -> None:
    """Ask before something is written in live mode.

    Raises:
        ConfigurationError: Nobody can be asked.
        typer.Exit: The answer is no.
    """
    if not can_ask:
        message = "live mode: add --yes, since the records come from where the answer would"
        raise ConfigurationError(message)
    question = (
        f"This is live mode. {mutation.kind} {len(mutation.records)} of {mutation.collection_id}"
        f" in the account of sync {sync}?"
    )
    if not typer.confirm(question, err=True):
        typer.echo("Nothing was sent.", err=True)
        raise typer.Exit(BAD_USAGE)


def _print(report: MutationReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report_json(report))
    else:
        rows = [
            (
                each.position,
                each.status.value,
                each.collection_id,
                each.upstream_id,
                each.error and each.error.message,
            )
            for each in report.results
        ]
        print_table(("record", "result", "collection", "id", "error"), rows)
    if report.late:
        late = ", ".join(report.late)
        typer.echo(f"The write stands. These consumers were late: {late}", err=True)


def _print_kinds(collection: str | None) -> None:
    """The kinds of one collection, or of all."""
    catalog = load_catalog()
    found: tuple[Collection, ...] = mutable_collections(catalog)
    if collection is not None:
        found = (collection_to_write(collection, catalog),)
    print_table(("collection", "kinds"), [(each.id, ", ".join(verbs_of(each))) for each in found])
