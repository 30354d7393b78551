"""Changes made in Stripe, and when they could be read in the warehouse."""

from __future__ import annotations

import asyncio
import bisect
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import aiohttp
import psycopg

_SEEN = """
SELECT seq, upstream_id,
    CASE WHEN data ->> 'description' ~ '^\\d+$' THEN (data ->> 'description')::int ELSE -1 END
FROM stripe_raw.events
WHERE sync_id = %s AND seq > %s AND collection_id = 'stripe:customer'
ORDER BY seq
"""
_POSITIONS = "SELECT sync_id, last_seq FROM stripe_sync.stream_position"
_IN_FLIGHT = 64


@dataclass(slots=True)
class Made:
    """One change: the customer's description becomes the number."""

    customer: str
    number: int
    at: float


@dataclass(slots=True)
class Writer:
    """Makes changes at a steady rate.

    Attributes:
        base_url: The sandbox.
        customers: API key of each customer.
        per_second: Changes a second.
        count: Changes altogether.
        accounts: Connected account of each customer; none for the key's own.
        made: What was done, in order.
    """

    base_url: str
    customers: Mapping[str, str]
    per_second: float
    count: int
    accounts: Mapping[str, str] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)

    def run(self) -> None:
        """Make all changes; returns when the last one was answered."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        names = list(self.customers)
        slots = asyncio.Semaphore(_IN_FLIGHT)
        async with aiohttp.ClientSession() as http:
            began = time.monotonic()
            changes = []
            for number in range(self.count):
                await asyncio.sleep(began + number / self.per_second - time.monotonic())
                customer = names[number * 7919 % len(names)]
                changes.append(asyncio.create_task(self._change(http, slots, customer, number)))
            await asyncio.gather(*changes)

    async def _change(
        self, http: aiohttp.ClientSession, slots: asyncio.Semaphore, customer: str, number: int
    ) -> None:
        headers = {"Authorization": f"Bearer {self.customers[customer]}"}
        if account := self.accounts.get(customer):
            headers["Stripe-Account"] = account
        url = f"{self.base_url}/v1/customers/{customer}"
        async with slots:
            # The sandbox makes the change before it waits out the latency of the answer.
            self.made.append(Made(customer, number, time.monotonic()))
            async with http.post(url, data={"description": number}, headers=headers) as answer:
                answer.raise_for_status()
                await answer.read()


class Watcher:
    """Notes when each customer's state could be read, as a reader of the stream would.

    Args:
        url: The warehouse.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._seen: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        last: dict[UUID, int] = {}
        while not self._stop.is_set():
            try:
                self._follow(last)
            except psycopg.OperationalError:
                # The warehouse is down: what was missed is read from the position.
                self._stop.wait(0.2)

    def _follow(self, last: dict[UUID, int]) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("LISTEN stripe_sync")
            positions = dict(connection.execute(_POSITIONS).fetchall())
            changed = set(last)
            last |= {sync: seq for sync, seq in positions.items() if sync not in last}
            while not self._stop.is_set():
                for sync in changed:
                    now = time.monotonic()
                    for seq, customer, number in connection.execute(_SEEN, (sync, last[sync])):
                        last[sync] = seq
                        self._note(customer, number, now)
                changed = {UUID(n.payload) for n in connection.notifies(timeout=0.2, stop_after=1)}

    def _note(self, customer: str, number: int, now: float) -> None:
        states = self._seen[customer]
        # A state that went back would be a fault: it never replaces a newer one.
        assert not states or number >= states[-1][0], f"{customer} went back to {number}"
        if not states or number > states[-1][0]:
            states.append((number, now))

    def visible_at(self, made: Made) -> float | None:
        """When a change, or a later one of the same customer, could first be read."""
        states = self._seen.get(made.customer, [])
        place = bisect.bisect_left(states, (made.number, 0.0))
        return states[place][1] if place < len(states) else None

    def wait_for(self, made: Sequence[Made], seconds: float) -> None:
        """Wait until all changes can be read, for so long at most."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if all(self.visible_at(change) is not None for change in made):
                return
            time.sleep(0.05)

    def lags(self, made: Sequence[Made]) -> list[float]:
        """Seconds from each change to when it could be read.

        Raises:
            RuntimeError: One of them never could.
        """
        times = [(change, self.visible_at(change)) for change in made]
        missing = [change.number for change, at in times if at is None]
        if missing:
            message = f"{len(missing)} changes never arrived: {missing[:20]}"
            raise RuntimeError(message)
        return [at - change.at for change, at in times if at is not None]
