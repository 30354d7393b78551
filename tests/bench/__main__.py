"""Measures; prints a table and writes ``build/bench.json``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import backfill, collections, connect, deliver, live, mutation, pull, query, streams
from bench.environment import bench_environment
from bench.measure import Measured, report

PARTS = {
    "backfill": backfill.measure,
    "collections": collections.measure,
    "live": live.measure,
    "connect": connect.measure,
    "mutation": mutation.measure,
    "pull": pull.measure,
    "query": query.measure,
    "streams": streams.measure,
    "deliver": deliver.measure,
}
Part = StrEnum("Part", list(PARTS))
RESULTS = Path(__file__).resolve().parents[2] / "build" / "bench.json"


def main(
    only: Annotated[Part | None, typer.Option(help="One part; all when it is left out.")] = None,
) -> None:
    """Measure everything, or one part."""
    results: list[Measured] = []
    try:
        with bench_environment(Console(width=140)) as env:
            for name, measure in PARTS.items():
                if only in (None, name):
                    env.log(f"[bold]{name}[/]")
                    results += measure(env)
    finally:
        report(results, RESULTS)


if __name__ == "__main__":
    typer.run(main)
