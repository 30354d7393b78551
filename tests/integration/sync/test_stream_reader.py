"""A reader of the stream misses nothing while several processes write."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from integration.sync.sync_processes import Polling, Work, backfill_collection
from stripe_sync.clock import SystemClock
from stripe_sync.records import Batch, Observation, Source, canonical_json
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness, unthrottled

OBJECTS = 6_000
CHANGES = 60

_NEXT = "SELECT seq, source FROM stripe_raw.events WHERE seq > %s ORDER BY seq LIMIT 500"


def mutate(warehouse: Warehouse, number: int) -> None:
    """Store an object as a mutation would, at once."""
    sync = warehouse.syncs.get(SYNC)
    payload = canonical_json.canonical(
        {"id": f"cpn_{number}", "object": "coupon", "number": number}
    )
    now = SystemClock().now()
    seen = Observation(
        collection_id="stripe:coupon",
        upstream_id=f"cpn_{number}",
        payload_json=payload,
        payload_hash=canonical_json.payload_hash(payload),
        deleted=False,
        observed_at=now,
        upstream_updated_at=now,
        api_version=sync.api_version,
    )
    with warehouse.writer() as writer:
        writer.load(Batch(sync.id, sync.resource_id, Source.MUTATION, [seen]))


def test_a_reader_beside_backfills_a_poller_and_mutations_sees_every_row_once(
    harness: SyncHarness,
) -> None:
    harness = unthrottled(harness)
    control, customers = harness.sandbox.control, harness.stripe.v1.customers
    control.seed({"customer": OBJECTS, "product": OBJECTS})
    changed = [obj["id"] for obj in control.objects("customer")[:CHANGES]]
    harness.plan("customer", "product")
    done = threading.Event()
    read: list[Any] = []

    def follow() -> None:
        while True:
            finished = done.is_set()
            part = harness.sql(_NEXT, read[-1][0] if read else 0)
            read.extend(part)
            if finished and not part:
                return

    with Warehouse(harness.connections.warehouse_url) as warehouse, ThreadPoolExecutor(1) as pool:
        reader = pool.submit(follow)
        polling = Polling(harness.connections, SYNC)
        works = [
            Work(backfill_collection, harness.connections, SYNC, name)
            for name in ("customer", "product")
        ]
        try:
            for number, customer in enumerate(changed):
                customers.update(customer, {"name": f"change {number}"})
                mutate(warehouse, number)
            assert [work.end() for work in works] == ["done", "done"]
        finally:
            polling.kill()
            done.set()
        reader.result()

    stored = harness.sql("SELECT seq, source FROM stripe_raw.events ORDER BY seq")
    assert read == stored
    assert [seq for seq, _ in read] == list(range(1, len(read) + 1))
    assert {source for _, source in read} == {"backfill", "poll", "mutation"}
    harness.assert_streams_agree()
