"""Another process stores a newer state between the comparison of a payload and its commit."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from stripe_sync.client import Priority
from stripe_sync.clock import SystemClock
from stripe_sync.records import Batch, Observation, Source
from stripe_sync.sync.session import open_session
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness, unthrottled

MANY = 40
SECONDS = 30
"""Time to wait for something that will happen."""

WAITING_FOR_A_LOAD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def observation_of(harness: SyncHarness, product: str) -> tuple[Batch, Observation]:
    """A product as it is now, as another process would store it."""

    async def fetch() -> tuple[Batch, Observation]:
        async with open_session(harness.connections, SYNC) as session:
            now = SystemClock().now()
            obj = session.api.get("/v1/products/{id}", {"id": product}, priority=Priority.LIVE)
            observation = session.normalizer(session.catalog.resolve("product")).normalize(
                await obj, observed_at=now
            )
            sync = session.sync
            return Batch(sync.id, sync.resource_id, Source.RECONCILE, [observation]), observation

    return asyncio.run(fetch())


def test_the_newer_state_stays(harness: SyncHarness) -> None:
    harness = unthrottled(harness)
    control = harness.sandbox.control
    control.seed({"product": MANY})
    harness.backfill("product")
    harness.poll()
    products = [product["id"] for product in control.objects("product")]
    control.clock(advance=2)
    for product in products:
        harness.stripe.v1.products.update(product, {"name": "Spice"})
    control.clock(advance=-2)
    # A change whose Stripe event is not there yet; a fetch returns it.
    control.mutate("product", products[0], {"name": "Melange"})
    batch, newer = observation_of(harness, products[0])

    locked, proceed = threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        locked.set()
        assert proceed.wait(SECONDS)

    with Warehouse(harness.connections.warehouse_url) as warehouse, ThreadPoolExecutor(2) as pool:
        try:
            with warehouse.writer() as writer:
                load = pool.submit(writer.load, batch, hold)
                assert locked.wait(SECONDS)
                # The poller reads the state before the newer one is stored, and commits after it.
                poll = pool.submit(harness.poll)
                deadline = time.monotonic() + SECONDS
                while not harness.sql(WAITING_FOR_A_LOAD)[0][0]:
                    assert time.monotonic() < deadline
                    assert not poll.done()
                    time.sleep(0.02)
                proceed.set()
                load.result()
                poll.result()
        finally:
            proceed.set()
    assert harness.record(products[0])["payload_hash"] == newer.payload_hash
    rows = harness.sql(
        "SELECT payload->>'name', count(*) FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:product' GROUP BY 1 ORDER BY 1"
    )
    assert rows == [("Melange", 1), ("Spice", MANY - 1)]
    names = [event["data"]["name"] for event in harness.events(products[0])]
    # The change that the Stripe event reports is part of the one that was read.
    assert names[1:] == ["Melange"]
    harness.assert_streams_agree()
