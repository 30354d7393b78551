"""Mutations beside polling at full speed: whoever is first, each change is in the stream once."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from typing import Any

from integration.mutations.written import Written
from integration.sync.poll.accounts import PATIENCE, wait_until
from stripe_sync import BackgroundMutations, BackgroundPolling, Mutation, RunOptions
from sync_harness import SYNC

MUTATIONS = int(os.environ.get("STRIPE_SYNC_TEST_MUTATIONS", "60"))


def test_mutations_race_with_polling_and_with_another_writer(written: Written) -> None:
    harness, rng = written.harness, random.Random(7)
    customers = [written.create("customer", name=f"C{number}")["id"] for number in range(12)]
    url = harness.connections.warehouse_url
    polling = BackgroundPolling(harness.connect, url, syncs=[SYNC], interval=0.05)
    polling.start()
    done = threading.Event()

    def write_otherwise() -> None:
        number = 0
        while not done.is_set():
            number += 1
            params: Any = {"name": f"other {number}", "metadata": {"by": "other"}}
            harness.stripe.v1.customers.update(rng.choice(customers), params)

    other = threading.Thread(target=write_otherwise)
    other.start()
    try:
        with BackgroundMutations(lambda _: harness.connections) as mutations:
            failed = asyncio.run(_write(mutations, customers))
    finally:
        done.set()
        other.join()
    events = len(written.stripe_events())
    wait_until(lambda: _processed(written) >= events)
    polling.stop(PATIENCE)
    harness.poll(3)
    assert failed == 0
    written.assert_one_change_for_each_stripe_event()
    written.assert_as_in_stripe("customer", "invoiceitem")
    harness.assert_streams_agree()


async def _write(mutations: BackgroundMutations, customers: list[str]) -> int:
    rng = random.Random(8)
    slots = asyncio.Semaphore(8)

    async def one(number: int) -> int:
        customer = rng.choice(customers)
        kind, collection, record = rng.choice(
            [
                ("update", "customer", {"id": customer, "name": f"mine {number}"}),
                ("update", "customer", {"id": customer, "metadata": {"n": str(number)}}),
                ("create", "customer", {"name": f"new {number}"}),
                (
                    *("create", "invoiceitem"),
                    {"customer": customer, "amount": number, "currency": "usd"},
                ),
            ]
        )
        async with slots:
            mutation = Mutation(collection, kind, [record])
            report = await mutations.run(SYNC, mutation, RunOptions("continue"))
        return len(report.failed)

    return sum(await asyncio.gather(*(one(number) for number in range(MUTATIONS))))


def _processed(written: Written) -> int:
    [[count]] = written.harness.sql("SELECT count(*) FROM stripe_sync.processed_events")
    return int(count)
