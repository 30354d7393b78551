"""Command line of the generator."""

from __future__ import annotations

import argparse
import sys

from stripe_stack.generate.fields import differences
from stripe_stack.generate.project import Places, read_sdk_fields, render, stale, write
from stripe_sync.catalog import load_catalog
from stripe_sync.catalog.fields import read_fields


def main(arguments: list[str] | None = None) -> int:
    """Generate, or check; returns the exit code: 1 when a check finds something stale."""
    parser = argparse.ArgumentParser(prog="python -m stripe_stack.generate")
    parser.add_argument("--check", action="store_true", help="write nothing, list stale files")
    check = parser.parse_args(arguments).check
    places = Places.of_checkout()
    collections = list(load_catalog().values())
    fields = read_sdk_fields(collections)
    for line in differences(read_fields(places.fields), fields):
        _say(line)
    texts = render(collections, fields, places)
    changed = stale(texts, places) if check else write(texts, places)
    for path in changed:
        _say(f"{'stale' if check else 'wrote'} {path}")
    if check and changed:
        _say("run `make generate` to bring these up to date")
        return 1
    _say(f"{len(texts)} generated files are up to date")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
