from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg

from stripe_sync.records import EventRow, Observation, RecordRow
from stripe_sync.warehouse import Warehouse
from unit.records.observations import SYNC, batch, seen, told

WRITERS = 4
BATCHES = 25
OBJECTS = 12


def _random_observation(rng: random.Random) -> Observation:
    collection = rng.choice(["stripe:customer", "stripe:charge"])
    upstream_id = f"{collection[7:10]}_{rng.randrange(OBJECTS)}"
    # Writers draw from one set of Stripe events, so that the same one comes to several.
    event = told(f"evt_{upstream_id}_{rng.randrange(40)}") if rng.random() < 0.5 else None
    return seen(
        {"n": rng.randrange(5)},
        when=rng.randrange(1000),
        upstream_id=upstream_id,
        collection_id=collection,
        deleted=rng.random() < 0.1,
        told=event,
    )


def test_a_reader_misses_nothing_whatever_writes_beside_it(
    warehouse: Warehouse, warehouse_url: str
) -> None:
    done = threading.Event()
    read: list[tuple[int, EventRow]] = []

    def write(seed: int) -> int:
        rng = random.Random(seed)
        with warehouse.writer() as writer:
            return sum(
                writer.load(batch(*(_random_observation(rng) for _ in range(20)))).events
                for _ in range(BATCHES)
            )

    def tail() -> None:
        while True:
            finished = done.is_set()
            part = warehouse.streams.events_after(SYNC, read[-1][0] if read else 0, limit=50)
            read.extend(part)
            if finished and not part:
                return

    # A transaction that stays open all along must not hold the reader up.
    with psycopg.connect(warehouse_url) as bystander, ThreadPoolExecutor(WRITERS + 1) as pool:
        bystander.execute("SELECT pg_current_xact_id()")
        reader = pool.submit(tail)
        writers = [pool.submit(write, seed) for seed in range(WRITERS)]
        try:
            written = sum(writer.result() for writer in writers)
        finally:
            done.set()
        reader.result()

    assert [seq for seq, _ in read] == list(range(1, written + 1))
    told_ids = Counter(event.stripe_event_id for _, event in read if event.stripe_event_id)
    assert set(told_ids.values()) == {1}
    versions = Counter((event.collection_id, event.upstream_id) for _, event in read)
    newest = {(event.collection_id, event.upstream_id): (seq, event) for seq, event in read}
    records = warehouse.streams.records_after(SYNC, 0)
    assert len(records) == len(newest)
    for seq, record in records:
        key = (record.collection_id, record.upstream_id)
        assert record.updated_idx == versions[key]
        assert (seq, record.payload_json) == (newest[key][0], newest[key][1].data_json)


def test_what_the_lake_was_told_is_what_was_committed(warehouse: Warehouse) -> None:
    told_to_lake: list[EventRow] = []

    def write(seed: int) -> None:
        rng = random.Random(seed)

        def note(_records: list[RecordRow], events: list[EventRow]) -> None:
            told_to_lake.extend(events)

        with warehouse.writer() as writer:
            for _ in range(10):
                writer.load(batch(*(_random_observation(rng) for _ in range(10))), note)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    committed = [event for _, event in warehouse.streams.events_after(SYNC, 0, limit=10_000)]
    assert sorted(event.id for event in told_to_lake) == sorted(event.id for event in committed)


def test_writers_of_other_collections_only_meet_at_the_end(warehouse: Warehouse) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold(_records: list[RecordRow], _events: list[EventRow]) -> None:
        inside.set()
        assert go_on.wait(30)

    def write_slowly() -> int | None:
        with warehouse.writer() as writer:
            return writer.load(batch(seen()), hold).last_seq

    with ThreadPoolExecutor(1) as pool, warehouse.writer() as writer:
        slow = pool.submit(write_slowly)
        try:
            assert inside.wait(30)
            other = batch(seen(upstream_id="ch_1", collection_id="stripe:charge"))
            assert writer.load(other).last_seq == 1
        finally:
            go_on.set()
        assert slow.result() == 2
