"""How long a change takes from Stripe to its row."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import psycopg
import stripe

from bench.measure import Measured, Task, percentile
from bench.rig import KEY, SYNC, Rig
from stripe_sync.sync.backfill import backfill_collection, plan_backfill
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.poll import poll_for

CHANGES = 240
PER_SECOND = 4.0
LATENCY = 0.1
"""Seconds that a request takes from Stripe."""
_PATIENCE = 20.0
_SEEN = """
SELECT upstream_id, payload ->> 'description' FROM stripe_raw.records
WHERE seq > %s AND collection_id = 'stripe:customer'
"""


def measure(rig: Rig) -> list[Measured]:
    """All measurements of live changes."""
    rig.sandbox(latency=0.0, limited=False)
    rig.control.seed({"customer": 1_000}, livemode=True)
    with rig.sync() as connections:
        for name in plan_backfill(connections, SYNC, ["customer"]):
            backfill_collection(connections, SYNC, name)
        rig.control.settings(latency=LATENCY)
        rig.say(f"{CHANGES} changes, {PER_SECOND:.0f} a second …")
        poller = Task.start(poll, connections, CHANGES / PER_SECOND + 8.0)
        lags = _lags(rig, connections)
        poller.cost()
    return [
        Measured("live.p50_s", percentile(lags, 0.5), "s", "<= 1.0"),
        Measured("live.p99_s", percentile(lags, 0.99), "s", "<= 2.0"),
    ]


def poll(connections: Connections, seconds: float) -> int:
    """Poll for a while; runs in a process of its own."""
    return poll_for(connections, SYNC, seconds=seconds, interval=0.5).changes


def _lags(rig: Rig, connections: Connections) -> list[float]:
    """Seconds from each change's answer in Stripe to the moment its row can be read."""
    changed: dict[str, float] = {}
    seen: dict[str, float] = {}
    writer = threading.Thread(target=_change, args=(rig, changed))
    with psycopg.connect(connections.warehouse_url, autocommit=True) as connection:
        _wait_for_poller(connection)
        connection.execute("LISTEN stripe_sync")
        writer.start()
        end = time.monotonic() + CHANGES / PER_SECOND + _PATIENCE
        last = _last_seq(connection)
        while len(seen) < CHANGES and time.monotonic() < end:
            for _ in connection.notifies(timeout=1.0, stop_after=1):
                pass
            now = time.monotonic()
            upto = _last_seq(connection)
            for _, text in connection.execute(_SEEN, (last,)).fetchall():
                seen.setdefault(text, now)
            last = upto
    writer.join()
    missing = changed.keys() - seen.keys()
    assert not missing, f"never arrived: {', '.join(missing)}"
    return [seen[text] - at for text, at in changed.items()]


def _change(rig: Rig, changed: dict[str, float]) -> None:
    """Change customers at a steady rate; each is noted by when Stripe had made the change."""
    client = stripe.StripeClient(KEY, base_addresses={"api": rig.control.base_url})
    customers: Sequence[stripe.Customer] = client.v1.customers.list({"limit": 100}).data
    began = time.monotonic()
    for number in range(CHANGES):
        time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
        text = f"change {number}"
        sent = time.monotonic()
        client.v1.customers.update(customers[number % 100].id, {"description": text})
        # The sandbox makes the change before it waits out the latency of the answer.
        changed[text] = sent


def _wait_for_poller(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Until the poller holds its lease and has polled."""
    while True:
        row = connection.execute(
            "SELECT count(*) FROM stripe_sync.poll_state WHERE lease_owner IS NOT NULL"
        ).fetchone()
        if row and row[0]:
            return
        time.sleep(0.05)


def _last_seq(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    row = connection.execute("SELECT max(last_seq) FROM stripe_sync.stream_position").fetchone()
    return int(str(row[0])) if row else 0
