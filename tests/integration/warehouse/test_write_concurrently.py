from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from stripe_sync.records import EventRow, Observation, RecordRow
from stripe_sync.warehouse import Warehouse
from unit.records.changes.observations import SYNC, batch, observation, stripe_event

WRITERS = 4
BATCHES = 25
OBJECTS = 12

_NEXT = """
SELECT seq, collection_id, upstream_id, stripe_event_id, data::text AS data FROM stripe_raw.events
WHERE seq > %s ORDER BY seq LIMIT 50
"""
_RECORDS = """
SELECT collection_id, upstream_id, updated_idx, seq, payload::text FROM stripe_raw.records
"""


def _random_observation(rng: random.Random) -> Observation:
    collection = rng.choice(["stripe:customer", "stripe:charge"])
    upstream_id = f"{collection[7:10]}_{rng.randrange(OBJECTS)}"
    # Writers draw from one set of Stripe events, so that the same one comes to several.
    event = stripe_event(f"evt_{upstream_id}_{rng.randrange(40)}") if rng.random() < 0.5 else None
    return observation(
        {"n": rng.randrange(5)},
        when=rng.randrange(1000),
        upstream_id=upstream_id,
        collection_id=collection,
        deleted=rng.random() < 0.1,
        stripe_event=event,
    )


def test_a_reader_misses_nothing_while_others_write(
    warehouse: Warehouse, warehouse_url: str
) -> None:
    done = threading.Event()
    read: list[Any] = []

    def write(seed: int) -> int:
        rng = random.Random(seed)
        with warehouse.writer() as writer:
            return sum(
                writer.load(batch(*(_random_observation(rng) for _ in range(20)))).events
                for _ in range(BATCHES)
            )

    def follow() -> None:
        while True:
            finished = done.is_set()
            part = tail.execute(_NEXT, (read[-1].seq if read else 0,)).fetchall()
            read.extend(part)
            if finished and not part:
                return

    # A transaction that stays open all along must not hold the reader up.
    with (
        psycopg.connect(warehouse_url) as bystander,
        psycopg.connect(warehouse_url, autocommit=True, row_factory=namedtuple_row) as tail,
        ThreadPoolExecutor(WRITERS + 1) as pool,
    ):
        bystander.execute("SELECT pg_current_xact_id()")
        reader = pool.submit(follow)
        writers = [pool.submit(write, seed) for seed in range(WRITERS)]
        try:
            written = sum(writer.result() for writer in writers)
        finally:
            done.set()
        reader.result()

        records = bystander.execute(_RECORDS).fetchall()

    assert [event.seq for event in read] == list(range(1, written + 1))
    stripe_event_ids = Counter(event.stripe_event_id for event in read if event.stripe_event_id)
    assert set(stripe_event_ids.values()) == {1}
    versions = Counter((event.collection_id, event.upstream_id) for event in read)
    newest = {(event.collection_id, event.upstream_id): event for event in read}
    assert sorted(records) == sorted(
        (*key, versions[key], event.seq, event.data) for key, event in newest.items()
    )


def test_the_lake_gets_the_rows_that_are_committed(warehouse: Warehouse) -> None:
    lake_rows: list[EventRow] = []

    def write(seed: int) -> None:
        rng = random.Random(seed)

        def collect(_records: list[RecordRow], events: list[EventRow]) -> None:
            lake_rows.extend(events)

        with warehouse.writer() as writer:
            for _ in range(10):
                writer.load(batch(*(_random_observation(rng) for _ in range(10))), collect)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    committed = warehouse.streams.next_part(SYNC, after=0, limit=10_000).events
    assert sorted(event.id for event in lake_rows) == sorted(event.id for event in committed)


def test_writers_of_other_collections_wait_only_for_positions(
    warehouse: Warehouse,
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold(_records: list[RecordRow], _events: list[EventRow]) -> None:
        inside.set()
        assert go_on.wait(30)

    def write_slowly() -> int | None:
        with warehouse.writer() as writer:
            return writer.load(batch(observation()), hold).last_seq

    with ThreadPoolExecutor(1) as pool, warehouse.writer() as writer:
        slow = pool.submit(write_slowly)
        try:
            assert inside.wait(30)
            other = batch(observation(upstream_id="ch_1", collection_id="stripe:charge"))
            assert writer.load(other).last_seq == 1
        finally:
            go_on.set()
        assert slow.result() == 2
