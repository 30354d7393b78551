"""Processes that deliver to PostgreSQL are killed, and the target equals the stream."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Any

import psycopg
import pytest

from forked import processes
from integration.consumers.postgres.processes import deliver_to
from integration.consumers.postgres.target_database import TargetDatabase
from integration.streams.conftest import Streams
from stripe_sync import (
    create_consumer,
    deliver,
    get_consumer,
    redeliver_dead_letters,
    replay_consumer,
)
from warehouse_rows import execute, rows

KILLS = int(os.environ.get("STRIPE_SYNC_TEST_KILLS", "4"))
"""Of each test; `make soak` has more."""

PATIENCE = 60.0 + KILLS

PLACE = "ALTER TABLE stripe.events ADD COLUMN place bigint GENERATED ALWAYS AS IDENTITY"
EPOCH = "SELECT epoch FROM stripe_sync.consumers"
EXPIRE = "UPDATE stripe_sync.consumers SET lease_until = clock_timestamp()"
COLUMNS = {
    "records": """id, sync_id, resource_id, collection_id, upstream_id, deleted, payload,
        payload_exact, payload_hash, inserted_at, updated_at, upstream_updated_at, upsert_opts,
        updated_idx, seq""",
    "events": """id, sync_id, resource_id, collection_id, upstream_id, event_type, changes, data,
        data_exact, created_at, upstream_updated_at, seq""",
}


class Copy:
    """A consumer that copies a stream, and processes that deliver to it."""

    def __init__(self, streams: Streams, target: TargetDatabase, stream: str) -> None:
        self.streams, self.target, self.stream = streams, target, stream
        target.deliver(stream=stream)  # makes the tables
        if stream == "events":
            target.sql(PLACE)
        self.create()

    def create(self) -> None:
        create_consumer(
            self.streams.url, "out", "postgres", stream=self.stream, connection_id="target"
        )

    def start(self) -> BaseProcess:
        process = processes.Process(
            target=deliver_to, args=(self.streams.url, self.target.connection()), daemon=True
        )
        process.start()
        return process

    def start_delivering(self) -> BaseProcess:
        """A process that has the lease."""
        ((before,),) = rows(self.streams.url, EPOCH)
        process = self.start()
        until = time.monotonic() + PATIENCE
        while rows(self.streams.url, EPOCH) == [(before,)]:
            assert time.monotonic() < until
            time.sleep(0.01)
        return process

    def expire_lease(self) -> None:
        """What 15 seconds without a sign of life do."""
        execute(self.streams.url, EXPIRE)

    def catch_up(self) -> None:
        """Deliver until nothing is left."""
        until = time.monotonic() + PATIENCE
        self.expire_lease()

        def is_done() -> bool:
            assert time.monotonic() < until, get_consumer(self.streams.url, "out")
            found = get_consumer(self.streams.url, "out")
            return (found.lag_items, found.pending) == (0, 0)

        deliver(self.streams.url, lambda _id: self.target.connection(), is_stopping=is_done)

    def rows(self, url: str, schema: str, where: str = "true") -> list[tuple[Any, ...]]:
        query = f"SELECT {COLUMNS[self.stream]} FROM {schema}.{self.stream} WHERE {where}"
        return rows(url, f"{query} ORDER BY sync_id, seq")

    def assert_equal(self) -> None:
        stream = self.rows(self.streams.url, "stripe_raw")
        assert self.rows(self.target.url, "stripe") == stream
        assert len(stream) > 0
        if self.stream == "events":
            placed = "SELECT sync_id, seq FROM stripe.events ORDER BY sync_id, place"
            assert rows(self.target.url, placed) == [(row[1], row[-1]) for row in stream]


@pytest.fixture(params=["records", "events"])
def copy(streams: Streams, target: TargetDatabase, request: pytest.FixtureRequest) -> Copy:
    return Copy(streams, target, request.param)


@contextmanager
def writing(streams: Streams, seed: int) -> Iterator[None]:
    """Change customers of both syncs all the time, as two pollers do."""
    stop = threading.Event()

    def write(sync: str) -> None:
        rng = random.Random(f"{seed}{sync}")
        step = 0
        while not stop.is_set():
            step += 1
            numbers = rng.sample(range(60), rng.randrange(1, 25))
            streams.customers(*numbers, sync=sync, when=step, step=step, deleted=rng.random() < 0.1)
            stop.wait(rng.random() * 0.02)

    threads = [threading.Thread(target=write, args=(sync,)) for sync in ("north", "south")]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def kill_some(copy: Copy, rng: random.Random) -> None:
    """Start processes and kill each some time after it has begun to deliver."""
    for _ in range(KILLS):
        process = copy.start_delivering()
        # Where it dies is left to chance: every point must be as good.
        time.sleep(rng.uniform(0.0, 0.4))
        process.kill()
        process.join()
        copy.expire_lease()


def test_processes_that_are_killed_leave_the_target_as_the_stream(copy: Copy) -> None:
    with writing(copy.streams, 1):
        kill_some(copy, random.Random(20261126))
    copy.catch_up()
    copy.assert_equal()


def test_two_processes_at_once_leave_the_target_as_the_stream(copy: Copy) -> None:
    rng = random.Random(20261127)
    stop = threading.Event()

    def take_leases_away() -> None:
        while not stop.wait(0.1):
            copy.expire_lease()

    thief = threading.Thread(target=take_leases_away)
    thief.start()
    running = [copy.start(), copy.start()]
    try:
        with writing(copy.streams, 2):
            for number in range(KILLS):
                time.sleep(rng.uniform(0.2, 1.0))
                running[number % 2].kill()
                running[number % 2].join()
                running[number % 2] = copy.start()
    finally:
        for process in running:
            process.kill()
            process.join()
        stop.set()
        thief.join()
    copy.catch_up()
    copy.assert_equal()


def test_replays_while_processes_are_killed_leave_the_target_as_the_stream(copy: Copy) -> None:
    rng = random.Random(20261128)
    with writing(copy.streams, 3):
        for _ in range(KILLS):
            process = copy.start_delivering()
            time.sleep(rng.uniform(0.0, 0.3))
            # Each locks rows in its own order: PostgreSQL ends one of the two where they meet.
            with suppress(psycopg.errors.DeadlockDetected):
                copy.target.sql(f"DELETE FROM stripe.{copy.stream} WHERE seq % 3 = 0")
            replay_consumer(copy.streams.url, "out", "all")
            time.sleep(rng.uniform(0.0, 0.3))
            process.kill()
            process.join()
            copy.expire_lease()
    copy.catch_up()
    stream = copy.rows(copy.streams.url, "stripe_raw")
    assert copy.rows(copy.target.url, "stripe") == stream


def test_a_target_whose_backends_are_killed_gets_the_stream(copy: Copy) -> None:
    kill = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    rng = random.Random(20261129)
    process = copy.start()
    try:
        with writing(copy.streams, 4):
            for _ in range(5 * KILLS):
                time.sleep(rng.uniform(0.0, 0.2))
                with suppress(psycopg.OperationalError):
                    copy.target.sql(kill)
    finally:
        process.kill()
        process.join()
    copy.catch_up()
    copy.assert_equal()


def test_dead_letters_are_not_lost_and_can_be_delivered_again(
    streams: Streams, target: TargetDatabase
) -> None:
    copy = Copy(streams, target, "events")
    target.sql("ALTER TABLE stripe.events ADD CHECK (mod((data->>'n')::int, 7) <> 3)")
    rng = random.Random(20261130)
    with writing(streams, 5):
        kill_some(copy, rng)
    copy.catch_up()
    refused = copy.rows(streams.url, "stripe_raw", "mod((data->>'n')::int, 7) = 3")
    dead = "SELECT sync_id, seq FROM stripe_sync.consumer_items WHERE state = 'dead' ORDER BY 1, 2"
    assert rows(streams.url, dead) == [(row[1], row[-1]) for row in refused]
    target.sql("ALTER TABLE stripe.events DROP CONSTRAINT events_data_check")
    with writing(streams, 6):
        assert redeliver_dead_letters(streams.url, "out") == len(refused)
        kill_some(copy, rng)
    copy.catch_up()
    assert copy.rows(target.url, "stripe") == copy.rows(streams.url, "stripe_raw")
