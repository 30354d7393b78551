"""A sync between a sandbox, an empty warehouse and an empty lake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import stripe

from stripe_sandbox.server import Running
from stripe_sync import (
    BackfillReport,
    Connections,
    Credential,
    PollReport,
    SyncSettings,
    backfill_collection,
    plan_backfill,
)
from stripe_sync.clock import Clock
from stripe_sync.lake import Lake
from stripe_sync.sync.poll.poller import Poller
from stripe_sync.sync.session import open_session
from stripe_sync.warehouse.leases import new_owner

SYNC = "default"


@dataclass(frozen=True)
class SyncHarness:
    """Both ends of a sync and what lies between."""

    sandbox: Running
    connections: Connections

    @cached_property
    def stripe(self) -> stripe.StripeClient:
        """A client; to make one loads the certificate authorities, which takes 20 ms."""
        return stripe.StripeClient(
            self.sandbox.api_key, base_addresses={"api": self.sandbox.base_url}
        )

    @property
    def lake(self) -> Lake:
        return Lake(self.connections.lake_url, SYNC)

    def with_key(self, key: str) -> SyncHarness:
        credential = Credential(key, self.sandbox.base_url)
        return replace(self, connections=replace(self.connections, credential=credential))

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.connections.warehouse_url) as connection:
            return connection.execute(query, values).fetchall()

    def plan(self, *collections: str) -> list[str]:
        return plan_backfill(self.connections, SYNC, collections).collections

    def backfill(self, *collections: str, **options: Any) -> list[BackfillReport]:
        names = self.plan(*collections)
        return [backfill_collection(self.connections, SYNC, name, **options) for name in names]

    def poll(self, times: int = 1, clock: Clock | None = None) -> PollReport:
        async def run() -> PollReport:
            async with self.polling(clock) as poller:
                for _ in range(times):
                    await poller.poll()
            return poller.report

        return asyncio.run(run())

    @asynccontextmanager
    async def polling(self, clock: Clock | None = None) -> AsyncIterator[Poller]:
        """A poller that has started."""
        async with open_session(self.connections, SYNC, clock=clock) as session:
            writer = session.warehouse.writer()
            poller = Poller(session, writer, owner=new_owner())
            try:
                await poller.start()
                try:
                    yield poller
                finally:
                    await poller.stop()
            finally:
                writer.close()

    def connect(self, _: str) -> Connections:
        """What every sync works with."""
        return self.connections

    def record(self, upstream_id: str) -> dict[str, Any]:
        rows = self.sql(
            "SELECT to_jsonb(r) FROM stripe_raw.records r WHERE upstream_id = %s", upstream_id
        )
        assert len(rows) == 1
        found: dict[str, Any] = rows[0][0]
        return found

    def events(self, upstream_id: str) -> list[dict[str, Any]]:
        return [
            row[0]
            for row in self.sql(
                "SELECT to_jsonb(e) FROM stripe_raw.events e WHERE upstream_id = %s ORDER BY seq",
                upstream_id,
            )
        ]

    def state(self, collection: str) -> dict[str, Any]:
        rows = self.sql(
            "SELECT to_jsonb(s) FROM stripe_sync.collection_state s WHERE collection_id = %s",
            f"stripe:{collection}",
        )
        found: dict[str, Any] = rows[0][0]
        return found

    def contents(self, *, clock: bool = True) -> dict[str, Any]:
        """Everything stored; without what depends on when it was stored, if not ``clock``."""
        times = [] if clock else ["inserted_at", "updated_at", "created_at", "observed_at"]
        drop = "".join(f" - '{name}'" for name in times)
        tables = {
            table: self.sql(
                f"SELECT to_jsonb(t){drop} FROM stripe_raw.{table} t ORDER BY sync_id, seq"
            )
            for table in ("records", "events")
        }
        lake: dict[str, Any] = {}
        for stream in ("records", "events"):
            frame = getattr(self.lake, stream)()
            lake[stream] = frame.drop(columns=[c for c in times if c in frame]).to_dict("records")
        rows = sum(batch.num_rows for batch in self.lake.record_batches())
        return {**tables, "lake": lake, "lake_rows": rows}

    def assert_streams_agree(self) -> None:
        """Promise 2: a record is its newest event."""
        wrong = self.sql(
            """
            SELECT r.upstream_id FROM stripe_raw.records r
            LEFT JOIN LATERAL (
                SELECT * FROM stripe_raw.events e
                WHERE (e.sync_id, e.collection_id, e.upstream_id)
                    = (r.sync_id, r.collection_id, r.upstream_id)
                ORDER BY e.seq DESC LIMIT 1) e ON true
            WHERE e.seq IS DISTINCT FROM r.seq OR e.data IS DISTINCT FROM r.payload
                OR (e.event_type = 'deleted') IS DISTINCT FROM r.deleted
            """
        )
        assert wrong == []
        back_in_time = self.sql(
            """
            SELECT upstream_id FROM (
                SELECT upstream_id, upstream_updated_at < lag(upstream_updated_at) OVER (
                    PARTITION BY sync_id, collection_id, upstream_id ORDER BY seq) AS earlier
                FROM stripe_raw.events) AS events
            WHERE earlier
            """
        )
        assert back_in_time == []
        doubled = self.sql(
            "SELECT stripe_event_id, collection_id FROM stripe_raw.events"
            " WHERE stripe_event_id IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1"
        )
        assert doubled == []


FAST = SyncSettings(
    redact=False,
    requests_per_second=400,
    total_requests_per_second=500,
    endpoint_requests_per_second=400,
)
"""Settings of a sync that is not limited by Stripe's limits."""


def unthrottled(harness: SyncHarness, **settings: Any) -> SyncHarness:
    """The same sync without Stripe's limits, and with these settings."""
    changed = FAST.model_copy(update=settings)
    return replace(harness, connections=replace(harness.connections, settings=changed))


def make_harness(sandbox: Running, warehouse_url: str, folder: Path) -> SyncHarness:
    """A sync that was never run, redaction off so that payloads can be compared."""
    return SyncHarness(
        sandbox,
        Connections(
            Credential(sandbox.api_key, sandbox.base_url),
            warehouse_url,
            str(folder / "lake"),
            SyncSettings(redact=False),
        ),
    )
