"""Whoever follows the stream by position misses nothing, whatever writes at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from integration.sync.sync_processes import Polling, Work, backfill_collection
from stand import SYNC, Stand, quickened
from stripe_sync import jsonio
from stripe_sync.clock import SystemClock
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.model import Batch, Observation, Source

OBJECTS = 6_000
CHANGES = 60


def mutate(warehouse: Warehouse, number: int) -> None:
    """Store an object as a mutation would, at once."""
    sync = warehouse.get_sync(SYNC)
    payload = jsonio.canonical({"id": f"cpn_{number}", "object": "coupon", "number": number})
    now = SystemClock().now()
    seen = Observation(
        collection_id="stripe:coupon",
        upstream_id=f"cpn_{number}",
        payload_json=payload,
        payload_hash=jsonio.payload_hash(payload),
        deleted=False,
        observed_at=now,
        upstream_updated_at=now,
        api_version=sync.api_version,
    )
    with warehouse.loader() as loader:
        loader.load(Batch(sync.id, sync.resource_id, Source.MUTATION, [seen]))


def test_a_reader_beside_backfills_a_poller_and_mutations_sees_every_row_once(
    stand: Stand,
) -> None:
    stand = quickened(stand)
    control, customers = stand.sandbox.control, stand.stripe.v1.customers
    control.seed({"customer": OBJECTS, "product": OBJECTS})
    changed = [obj["id"] for obj in control.objects("customer")[:CHANGES]]
    stand.plan("customer", "product")
    done = threading.Event()
    read: list[tuple[int, str]] = []

    def follow(warehouse: Warehouse) -> None:
        sync, last = warehouse.get_sync(SYNC), 0
        while True:
            finished = done.is_set()
            part = warehouse.events_after(sync.id, last, limit=500)
            read.extend((seq, str(event.source)) for seq, event in part)
            last = part[-1][0] if part else last
            if finished and not part:
                return

    with Warehouse(stand.connections.warehouse_url) as warehouse, ThreadPoolExecutor(1) as pool:
        reader = pool.submit(follow, warehouse)
        polling = Polling(stand.connections, SYNC)
        works = [
            Work(backfill_collection, stand.connections, SYNC, name)
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

    stored = stand.sql("SELECT seq, source FROM stripe_raw.events ORDER BY seq")
    assert read == stored
    assert [seq for seq, _ in read] == list(range(1, len(read) + 1))
    assert {source for _, source in read} == {"backfill", "poll", "mutation"}
    stand.assert_streams_agree()
