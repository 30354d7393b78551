"""Readers of the streams over HTTP: how many records a second, and what waiting readers cost."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from typing import Any

import aiohttp
import psycopg

from bench.api_server import raise_file_limit, served
from bench.environment import SYNC, UNLIMITED, BenchEnvironment
from bench.measure import Measured, percentile
from stripe_sync import backfill

CUSTOMERS = 20_000
INVOICES = 5_000
WAITING = 1_000
ROUNDS = 3

_CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'stripe_sync'
"""


def measure(env: BenchEnvironment) -> list[Measured]:
    """Whole collections in pages of 1,000; then a thousand readers that wait for one change."""
    raise_file_limit()
    env.sandbox(latency=0, limited=False)
    env.control.seed({"customer": CUSTOMERS, "invoice": INVOICES}, livemode=True)
    with env.sync(**UNLIMITED) as base:
        backfill(base, SYNC, ["customer", "invoice"])
        with psycopg.connect(base.warehouse_url, autocommit=True) as sql:
            sql.execute("VACUUM ANALYZE")
        with served(base, env.folder) as (url, token):
            return asyncio.run(_measure(env, base.warehouse_url, f"{url}/stripe/v1", token))


async def _measure(env: BenchEnvironment, warehouse: str, api: str, token: str) -> list[Measured]:
    headers = {"Authorization": f"Bearer {token}"}
    rates = {}
    async with aiohttp.ClientSession(
        headers={**headers, "Accept-Encoding": "identity"},
        connector=aiohttp.TCPConnector(limit=0),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=300),
    ) as client:
        for name, collection, encoding in (
            ("read_per_second", "customer", "identity"),
            ("read_compressed_per_second", "customer", "gzip"),
            ("read_invoices_per_second", "invoice", "identity"),
        ):
            env.log(f"{collection}s, {encoding} …")
            rates[name] = max(
                [await _read_all(client, api, collection, encoding) for _ in range(ROUNDS)]
            )
        env.log(f"{WAITING} waiting readers …")
        connections, seconds = await _wait(client, api, warehouse)
    targets = {"read_per_second": ">= 20000", "read_compressed_per_second": ">= 10000"}
    return [
        *(
            Measured(f"streams.{name}", rate, "records/s", targets.get(name, ""))
            for name, rate in rates.items()
        ),
        Measured("streams.idle_waiters", connections, f"connections for {WAITING}", "<= 5"),
        Measured("streams.all_woken_s", seconds, "s"),
    ]


async def _read_all(
    client: aiohttp.ClientSession, api: str, collection: str, encoding: str
) -> float:
    """Records a second of a reader that reads a collection from its beginning."""
    # The reader parses nothing but the cursor, which stands before the end of the page.
    query = {"collection_id": collection, "limit": "1000"}
    headers = {"Accept-Encoding": encoding}
    records, began = 0, time.monotonic()
    while True:
        async with client.get(f"{api}/records", params=query, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            body = await answer.read()
            compressed = answer.headers.get("Content-Encoding") == "gzip"
            assert compressed == (encoding == "gzip")
            size, cursor, more = await asyncio.to_thread(_end_of, body, compressed=compressed)
        records += size
        query["after_cursor"] = cursor
        if not more:
            return records / (time.monotonic() - began)


def _end_of(body: bytes, *, compressed: bool) -> tuple[int, str, bool]:
    text = gzip.decompress(body) if compressed else body
    found = re.search(rb'"cursor":"([^"]*)","has_more":(true|false)\}$', text[-20_000:])
    assert found is not None
    return text.count(b'"payload_hash":'), found[1].decode(), found[2] == b"true"


async def _wait(client: aiohttp.ClientSession, api: str, warehouse: str) -> tuple[int, float]:
    """Connections while many wait, and the seconds until the last one has the next change."""
    selection = "collection_id=customer&event_type=updated"
    async with client.get(f"{api}/events?{selection}") as answer:
        page = await answer.json(content_type=None)

    async def one() -> float:
        query = f"{selection}&after_cursor={page['cursor']}&wait_for=30000"
        async with client.get(f"{api}/events?{query}") as answer:
            found = await answer.json(content_type=None)
            assert answer.status == 200, found
            assert len(found["events"]) == 1
        return time.monotonic()

    async with await psycopg.AsyncConnection.connect(warehouse, autocommit=True) as sql:
        ((position, sync_id),) = await (
            await sql.execute("SELECT last_seq, sync_id::text FROM stripe_sync.stream_position")
        ).fetchall()
        waiting = [asyncio.create_task(one()) for _ in range(WAITING)]
        await asyncio.sleep(10)
        ((used,),) = await (await sql.execute(_CONNECTIONS)).fetchall()
        began = time.monotonic()
        await _change(sql, sync_id, position)
        ended = await asyncio.gather(*waiting)
    return used, percentile(ended, 1.0) - began


async def _change(sql: psycopg.AsyncConnection[Any], sync_id: str, position: int) -> None:
    """One more change event of a customer, as a writer commits it."""
    async with sql.transaction():
        await sql.execute(
            "INSERT INTO stripe_raw.events (sync_id, seq, id, resource_id, collection_id,"
            " upstream_id, event_type, data, created_at, upstream_updated_at, source, api_version)"
            " SELECT sync_id, %(seq)s, gen_random_uuid(), resource_id, collection_id, upstream_id,"
            " 'updated', data, now(), now(), 'poll', api_version FROM stripe_raw.events"
            " WHERE sync_id = %(sync)s AND collection_id = 'stripe:customer' LIMIT 1",
            {"sync": sync_id, "seq": position + 1},
        )
        await sql.execute("UPDATE stripe_sync.stream_position SET last_seq = %s", [position + 1])
        await sql.execute("SELECT pg_notify('stripe_sync', %s)", [sync_id])
