"""Queries of analysts: the typed views against plain tables of the same columns, in one run."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from bench.environment import SYNC, BenchEnvironment
from bench.measure import Measured
from stripe_sync import create_sync, dbt_command, dbt_environment

INVOICES = 1_000_000
CUSTOMERS = 100_000
EVENTS = 2_000_000
WHOLE_ROWS = 50_000
POINT_READS = 200
RUNS = 3

_PROJECT = Path(__file__).resolve().parents[2] / "dbt"
_DAY = 86_400
_EIGHT = "customer, status, currency, total, amount_due, amount_paid, created, due_date"

# Of both tables, so that the reader's own work is the same.
_QUERIES = {
    "sum": "select sum(total) from {invoices}",
    "group_by": "select status, currency, sum(total) from {invoices} group by 1, 2",
    "columns": f"select count(*) from (select {_EIGHT} from {{invoices}} offset 0) as eight",
    "join": "select c.email, sum(i.total) from {invoices} i join {customers} c"
    " on c.id = i.customer and c._sync_id = i._sync_id group by 1 order by 2 desc limit 10",
    "seven_days": "select count(*), sum(total) from {invoices}"
    f" where created > %(now)s - 7 * {_DAY}",
    "one_customer": "select count(*), sum(total) from {invoices} where customer = 'cus_00042'",
}
_TARGETS = dict.fromkeys(_QUERIES, ">= 0.5")


def measure(env: BenchEnvironment) -> list[Measured]:
    """A million invoices in the warehouse; each query over the views and over plain tables."""
    env.sandbox(latency=0, limited=False)
    env.control.seed({"invoice": 1, "customer": 1}, livemode=True)
    with env.sync() as base, psycopg.connect(base.warehouse_url, autocommit=True) as sql:
        sync = create_sync(base.warehouse_url, SYNC, livemode=True)
        now = int(time.time())  # noqa: TID251 - the test data's time, not the product's
        sync_id = UUID(str(sync.id))
        for kind, count in (("customer", CUSTOMERS), ("invoice", INVOICES)):
            like = Jsonb(env.control.objects(kind, livemode=True)[0])
            with _timed(env, f"{count:,} {kind}s"):
                _insert(sql, kind, count, {"sync_id": sync_id, "now": now, "like": like})
        with _timed(env, f"{EVENTS:,} change events"):
            _insert_events(sql, sync_id)
        with _timed(env, "views"):
            environment = dbt_environment(base.warehouse_url, env.folder / "dbt")
            subprocess.run(
                dbt_command(_PROJECT, "run"), env=environment, check=True, stdout=subprocess.DEVNULL
            )
        with _timed(env, "plain tables"):
            for view in ("customers", "invoices"):
                _copy_plain(sql, view)
            sql.execute("vacuum analyze")
        sizes = _megabytes_per_million(sql)
        env.log(f"MiB for a million invoices: {sizes}")
        return [*_ratios(env, sql, now), *_reads(env, sql)]


def _ratios(env: BenchEnvironment, sql: psycopg.Connection[Any], now: int) -> list[Measured]:
    measured = []
    for name, query in _QUERIES.items():
        times = {}
        for kind, schema in (("plain", "plain"), ("view", "stripe")):
            text = query.format(invoices=f"{schema}.invoices", customers=f"{schema}.customers")
            times[kind] = _best(lambda text=text: sql.execute(text, {"now": now}).fetchall())
        measured.append(_ratio(env, name, times, _TARGETS[name]))
    whole = {
        kind: _best(lambda schema=schema: _copy_out(sql, f"{schema}.invoices", now))
        for kind, schema in (("plain", "plain"), ("view", "stripe"))
    }
    return [*measured, _ratio(env, "whole_rows", whole, ">= 0.25")]


def _ratio(env: BenchEnvironment, name: str, times: dict[str, float], target: str) -> Measured:
    env.log(f"{name}: view {1000 * times['view']:.1f} ms, plain {1000 * times['plain']:.1f} ms")
    return Measured(f"query.{name}.ratio", times["plain"] / times["view"], "of plain", target)


def _reads(env: BenchEnvironment, sql: psycopg.Connection[Any]) -> list[Measured]:
    point = []
    for number in range(POINT_READS):
        key = f"in_{number * 4_999 % INVOICES:07}"
        query = "select * from stripe.invoices where id = %s"
        point.append(_time(lambda key=key, query=query: sql.execute(query, [key]).fetchall()))
    minute = _best(
        lambda: sql.execute(
            "select created_at, event_type, collection_id, upstream_id, changes from stripe.events"
            " where created_at > now() - interval '1 minute' order by seq"
        ).fetchall()
    )
    env.log(f"point read p50 {1000 * sorted(point)[POINT_READS // 2]:.2f} ms")
    return [
        Measured("query.point_read_ms", 1000 * sorted(point)[POINT_READS // 2], "ms", "<= 1"),
        Measured("query.minute_ms", 1000 * minute, "ms", "<= 5"),
    ]


def _insert(sql: psycopg.Connection[Any], kind: str, count: int, values: dict[str, Any]) -> None:
    """Records like one object, over the three years before now."""
    prefix = {"invoice": "in_", "customer": "cus_"}[kind]
    digits = {"invoice": 7, "customer": 5}[kind]
    part = 20_000
    for first in range(0, count, part):
        sql.execute(
            f"""
            insert into stripe_raw.records (collection_id, sync_id, upstream_id, id, resource_id,
                deleted, payload, payload_hash, inserted_at, updated_at, upstream_updated_at,
                updated_idx, seq, observed_at, api_version)
            select %(collection)s, %(sync_id)s, o.id, gen_random_uuid(), %(sync_id)s, false,
                %(like)s || jsonb_build_object(
                    'id', o.id, 'created', o.created, 'total', n %% 9999, 'amount_due', n %% 9999,
                    'customer', 'cus_' || lpad((n::bigint * 7919 %% {CUSTOMERS})::text, 5, '0'),
                    'status', (array['paid', 'open', 'draft', 'void'])[1 + n %% 4],
                    'email', o.id || '@example.com', 'description', md5(n::text)),
                md5(n::text), now(), to_timestamp(o.created), to_timestamp(o.created), 1,
                %(seq)s + n, now(), '2026'
            from generate_series(%(first)s, %(first)s + {part} - 1) as n
            cross join lateral (
                select %(prefix)s || lpad(n::text, {digits}, '0') as id,
                    %(now)s - 3 * 365 * {_DAY}
                        + (n::bigint * 3 * 365 * {_DAY} / {count})::bigint as created
            ) as o
            """,
            {
                **values,
                "collection": f"stripe:{kind}",
                "first": first,
                "prefix": prefix,
                "seq": 1 if kind == "customer" else CUSTOMERS + 1,
            },
        )


def _insert_events(sql: psycopg.Connection[Any], sync_id: UUID) -> None:
    """Small change events, one a second up to now."""
    sql.execute(
        """
        insert into stripe_raw.events (sync_id, seq, id, resource_id, collection_id, upstream_id,
            event_type, data, created_at, upstream_updated_at, source, api_version)
        select %(sync_id)s, n, gen_random_uuid(), %(sync_id)s, 'stripe:customer',
            'cus_' || lpad((n %% 100000)::text, 5, '0'), 'created', '{"object": "customer"}',
            now() - (%(count)s - n) * interval '1 second', now(), 'poll', '2026'
        from generate_series(1, %(count)s) as n
        """,
        {"sync_id": sync_id, "count": EVENTS},
    )


def _copy_plain(sql: psycopg.Connection[Any], view: str) -> None:
    """A plain table with a view's rows, columns and indexes."""
    sql.execute("create schema if not exists plain")
    sql.execute(f"create table plain.{view} as select * from stripe.{view}")
    for index in sql.execute(
        "select indexdef from pg_indexes where schemaname = 'stripe_raw' and tablename = %s", [view]
    ).fetchall():
        sql.execute(index[0].replace(" ON stripe_raw.", " ON plain."))


def _copy_out(sql: psycopg.Connection[Any], table: str, now: int) -> None:
    """Read whole rows, every value."""
    newest = (
        f"select * from {table} where created > {now} - {WHOLE_ROWS * 3 * 365 * _DAY // INVOICES}"
    )
    with sql.cursor() as cursor, cursor.copy(f"copy ({newest}) to stdout (format binary)") as rows:
        for _ in rows:
            pass


def _megabytes_per_million(sql: psycopg.Connection[Any]) -> dict[str, float]:
    sizes = sql.execute(
        "select relname, pg_table_size(oid), pg_indexes_size(oid) from pg_class"
        " where oid in ('stripe_raw.invoices'::regclass, 'stripe_raw.records'::regclass)"
    ).fetchall()
    return {
        f"{name} {part}": round(size / 2**20 * 1_000_000 / INVOICES)
        for name, table, indexes in sizes
        for part, size in (("table", table), ("indexes", indexes))
    }


@contextmanager
def _timed(env: BenchEnvironment, title: str) -> Iterator[None]:
    env.log(f"{title} …")
    began = time.perf_counter()
    yield
    env.log(f"{title}: {time.perf_counter() - began:.0f} s")


def _time(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _best(call: Callable[[], object]) -> float:
    """Seconds of the fastest of some calls, more where one takes less than a millisecond."""
    first = _time(call)
    return min(first, *(_time(call) for _ in range(RUNS if first > 0.1 else 50)))
