"""Prints the results of the demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from rich.console import Console
from rich.json import JSON
from rich.markup import escape
from rich.table import Table

from stripe_stack.stack import Stack
from stripe_sync.records import canonical_json

_PRINTED_FIELDS = ("id", "object", "name", "email", "created", "currency", "livemode", "metadata")
"""Fields of a customer to print; it has many more."""


@dataclass(frozen=True)
class Change:
    """A change as the views have it.

    Attributes:
        seconds: From the change in Stripe to both rows.
        record: The row of ``stripe.records``.
        event: The row of ``stripe.events``.
    """

    seconds: float
    record: Mapping[str, Any]
    event: Mapping[str, Any]


def print_backfill(console: Console, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a line per collection and the sums; below, the collections that are not done."""
    rows = list(rows)
    table = Table(title="Backfill", title_style="bold", show_footer=True)
    table.add_column("Collection", "Sum", no_wrap=True)
    for name, places in (("objects", 0), ("requests", 0), ("seconds", 1)):
        total = sum(row[name] or 0 for row in rows)
        table.add_column(name.title(), f"{total:,.{places}f}", justify="right")
    for row in sorted(rows, key=lambda row: -(row["objects"] or 0)):
        numbers = (f"{row['objects']:,}", f"{row['requests']:,}", f"{row['seconds']:.1f}")
        table.add_row(row["collection"], *numbers)
    console.print(table)
    not_done: dict[str, list[str]] = {}
    for row in rows:
        if row["status"] != "done":
            reason = row["status"] + (f": {row['message']}" if row["message"] else "")
            not_done.setdefault(reason, []).append(row["collection"])
    for reason, names in not_done.items():
        console.print(f"{', '.join(names)}: {escape(reason)}", soft_wrap=True)


def print_views(console: Console, stack: Stack) -> None:
    """Print the number of views, and the places of the docs and the lake."""
    query = "SELECT count(*) FROM information_schema.views WHERE table_schema = 'stripe'"
    with psycopg.connect(stack.warehouse_url) as connection:
        views = connection.execute(query).fetchone()
    lake = Path(stack.settings.lake)
    files = sum(1 for _ in lake.rglob("*.parquet"))
    console.print(f"         {views[0] if views else 0} views in schema stripe, tested by dbt")
    console.print(f"         Docs: {lake / '_docs' / 'index.html'}", soft_wrap=True)
    console.print(f"         Lake: {lake} ({files} Parquet files)", soft_wrap=True)


def print_change(console: Console, change: Change) -> None:
    """Print the record, the event, and the seconds that the change took."""
    console.print("\n[bold]Its record[/bold] (stripe.records)")
    console.print(_json(change.record, "payload"))
    console.print("\n[bold]Its event[/bold] (stripe.events)")
    console.print(_json(change.event, "data"))
    console.print(
        f"\nThe change took [bold]{change.seconds:.2f} s[/bold] from Stripe to the views."
    )


def _json(row: Mapping[str, Any], object_field: str) -> JSON:
    """A row as JSON, with a few of the object's fields."""
    whole = row[object_field]
    part = {key: whole[key] for key in _PRINTED_FIELDS if key in whole}
    printed = {**row, object_field: {**part, "…": f"and {len(whole) - len(part)} more fields"}}
    return JSON(
        canonical_json.dumps({key: _plain(value) for key, value in printed.items()}).decode()
    )


def _plain(value: Any) -> Any:
    """A value as the streams write it: timestamps in UTC with a Z."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
