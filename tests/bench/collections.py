"""How many requests each collection takes, against the fewest that Stripe's API allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from rich.table import Table

from bench.environment import SYNC, UNLIMITED, BenchEnvironment
from bench.measure import Measured, Task
from request_lower_bound import Objects, minimum_requests
from stripe_sync.catalog import Retrieval, load_catalog
from stripe_sync.sync.backfill.backfill import BackfillReport, backfill_collection, plan_backfill
from stripe_sync.sync.connections import Connections

LATENCY = 0.002
"""Seconds that a page takes from Stripe: what is counted here are requests, not time."""
FEW = 20
"""Up to so many requests a single one weighs more than a ratio can say."""

_STORED = "SELECT payload FROM stripe_raw.records WHERE collection_id = %s AND NOT deleted"
_COUNT = "SELECT count(*) FROM stripe_raw.records WHERE collection_id = %s AND NOT deleted"


@dataclass(frozen=True, slots=True)
class Line:
    """One collection's backfill.

    Attributes:
        report: What it did.
        needed: Requests that it needs at least.
    """

    report: BackfillReport
    needed: int

    @property
    def ratio(self) -> float:
        """Requests made per request needed."""
        return self.report.requests / self.needed if self.needed else 1.0


def measure(env: BenchEnvironment) -> list[Measured]:
    """Backfill everything of a platform's account with much below its objects."""
    env.sandbox(latency=LATENCY, limited=False)
    made = env.control.platform(livemode=True)
    env.log(f"a platform's account: {sum(made.values()):,} objects with many children …")
    with env.sync(**UNLIMITED) as connections:
        names = plan_backfill(connections, SYNC).collections
        reports: list[BackfillReport] = Task.start(run_backfills, connections, names).cost().result
        objects = _objects(env, connections)
        _assert_complete(connections, objects)
        rows = load_catalog()
        lines = [Line(r, minimum_requests(rows.resolve(r.collection), objects)) for r in reports]
    _print(env, lines)
    made_requests = sum(line.report.requests for line in lines)
    needed = sum(line.needed for line in lines)
    worst = max((line for line in lines if line.needed > FEW), key=lambda line: line.ratio)
    env.log(f"most wasteful: {worst.report.collection}")
    return [
        Measured("collections.requests_over_minimum", made_requests / needed, "ratio", "<= 1.15"),
        Measured("collections.worst_requests_over_minimum", worst.ratio, "ratio", "<= 1.15"),
        Measured("collections.requests", made_requests, "requests"),
        Measured("collections.seconds", sum(line.report.seconds for line in lines), "s"),
    ]


def run_backfills(connections: Connections, names: Sequence[str]) -> list[BackfillReport]:
    """Backfill one collection after the other; runs in a process of its own."""
    return [backfill_collection(connections, SYNC, name) for name in names]


def _objects(env: BenchEnvironment, connections: Connections) -> Objects:
    """Reads what the account holds, and the previews that were computed of it; each once."""
    previews = {row.name for row in load_catalog().values() if row.retrieval is Retrieval.PREVIEW}

    @cache
    def read(kind: str) -> list[Any]:
        if kind not in previews:
            return env.control.objects(kind, livemode=True)
        with psycopg.connect(connections.warehouse_url) as connection:
            return [row[0] for row in connection.execute(_STORED, (f"stripe:{kind}",))]

    return read


def _assert_complete(connections: Connections, objects: Callable[[str], list[Any]]) -> None:
    """Everything that the account holds has arrived, children included."""
    accounts = {account["id"]: account for account in objects("account")}
    persons = load_catalog().resolve("person").lists[0]
    parent_only = {
        name for name, obj in accounts.items() if any(r.matches(obj) for r in persons.skip)
    }
    expected = {
        "customer": len(objects("customer")),
        "invoice": len(objects("invoice")),
        "subscription": len(objects("subscription")),
        "line_item": sum(len(invoice["lines"]["data"]) for invoice in objects("invoice")),
        "subscription_item": sum(len(obj["items"]["data"]) for obj in objects("subscription")),
        "capability": len(objects("capability")),
        "person": sum(obj["account"] in accounts.keys() - parent_only for obj in objects("person")),
        "upcoming_line_item": sum(
            len(preview["lines"]["data"])
            for kind in ("customer", "subscription")
            for preview in objects(f"upcoming_{kind}_invoice")
        ),
    }
    with psycopg.connect(connections.warehouse_url) as connection:
        for name, count in expected.items():
            [stored] = connection.execute(_COUNT, (f"stripe:{name}",)).fetchone() or [0]
            assert stored == count > 0, f"{name}: {stored} of {count} arrived"


def _print(env: BenchEnvironment, lines: Sequence[Line]) -> None:
    table = Table(title="requests per collection", title_justify="left")
    table.add_column("collection")
    for heading in ("objects", "requests", "needed", "ratio", "seconds"):
        table.add_column(heading, justify="right")
    for line in lines:
        report = line.report
        table.add_row(
            report.collection,
            f"{report.objects:,}",
            f"{report.requests:,}",
            f"{line.needed:,}",
            f"{line.ratio:.3f}",
            f"{report.seconds:.1f}",
        )
    env.console.print(table)
