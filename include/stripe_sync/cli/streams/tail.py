"""``stripe-sync tail``: the event stream in the terminal, as it grows."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from stripe_sync.cli.management.syncs import WarehouseUrl
from stripe_sync.cli.output import errors
from stripe_sync.records import canonical_json
from stripe_sync.streams.iterate import iterate_stream
from stripe_sync.streams.selection import Selection, Stream

_STYLES = {"created": "green", "updated": "yellow", "deleted": "red"}
_LONGEST_VALUE = 60
_NOTHING = "(none)"


def tail(
    *,
    warehouse_url: WarehouseUrl,
    sync: Annotated[
        list[str] | None, typer.Option(help="Name or id of a sync, repeatable. None: all.")
    ] = None,
    collection: Annotated[
        list[str] | None, typer.Option(help="stripe:customer …, repeatable. None: all.")
    ] = None,
    event_type: Annotated[
        list[str] | None, typer.Option(help="created, updated, deleted; repeatable.")
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from", help="new, all, 30m (s, m, h, d), a time with its zone, or a cursor."
        ),
    ] = "new",
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for what comes, until Ctrl-C.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="One change event in a line, with its cursor.")
    ] = False,
) -> None:
    """Show changes as they are stored: what changed, from which value to which."""
    with errors():
        selection = Selection.of(
            Stream.EVENTS,
            syncs=sync or (),
            collections=collection or (),
            event_types=event_type or (),
        )
        console = Console(highlight=False, soft_wrap=True)
        try:
            for item, cursor in iterate_stream(
                warehouse_url, selection, start=start, follow=follow
            ):
                if as_json:
                    line = canonical_json.dumps({**item.json(), "cursor": str(cursor)})
                    sys.stdout.write(line.decode() + "\n")
                    sys.stdout.flush()
                else:
                    console.print(_lines(item.json()))
        except KeyboardInterrupt:
            raise typer.Exit from None


def _lines(event: Mapping[str, Any]) -> Text:
    kind, name = event["event_type"], event["collection_id"].partition(":")[2]
    moment = event["upstream_updated_at"][:19].replace("T", " ")
    text = Text.assemble(
        (moment, "dim"),
        "  ",
        (f"{kind:<7}", _STYLES[kind]),
        f"  {name} ",
        (_visible(event["upstream_id"]), "bold"),
    )
    for path, old, new in _differences(event["changes"] or {}, event["data"]):
        text.append(f"\n    {_visible(path)}: {_short(old)} → {_short(new)}")
    return text


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Path, old and new value of what changed; of an object in ``changes`` only what it names."""
    found = []
    for key, before in old.items():
        after = new.get(key, _NOTHING)
        if isinstance(before, dict) and before and isinstance(after, dict):
            found += [(f"{key}.{path}", *values) for path, *values in _differences(before, after)]
        elif before != after:
            found.append((key, before, after))
    return found


def _short(value: Any) -> str:
    text = value if value == _NOTHING else canonical_json.dumps(value).decode()
    return _visible(text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…")


def _visible(text: str) -> str:
    """A text without what a terminal would carry out: colours, titles, other directions."""
    letters = (
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
    return "".join(letters)
