"""What the commands print: JSON, tables, errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stripe_sync.errors import StripeSyncError

FAILED = 1


@contextmanager
def errors() -> Iterator[None]:
    """Print an error of ours as one line and end with exit code 1."""
    try:
        yield
    except StripeSyncError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from error


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(TypeAdapter(Any).dump_json(value).decode())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as a table; nothing for none."""
    if not rows:
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    Console(highlight=False).print(table)
