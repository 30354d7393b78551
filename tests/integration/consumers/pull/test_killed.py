"""Readers that are killed at random points lose nothing, and never see two of an object at once."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from forked import processes
from integration.consumers.pull.conftest import NAME, make_due, pull_consumer
from integration.consumers.pull.worker import work
from integration.streams.conftest import Streams
from stripe_sync import get_consumer

KILLS = int(os.environ.get("STRIPE_SYNC_TEST_KILLS", "8"))
SEED = int(os.environ.get("STRIPE_SYNC_TEST_SEED", "20261126"))
OBJECTS = 12
READERS = 2

# The order of what was committed is known to the server only.
_HISTORY = """
CREATE TABLE history (id bigserial, sync_id uuid, upstream_id text, seq bigint, state text,
    was text, token text);
CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO history (sync_id, upstream_id, seq, state, was, token) VALUES (
        coalesce(NEW.sync_id, OLD.sync_id), coalesce(NEW.upstream_id, OLD.upstream_id),
        coalesce(NEW.seq, OLD.seq), NEW.state, OLD.state, NEW.token);
    RETURN NULL;
END $$;
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON stripe_sync.consumer_items
FOR EACH ROW EXECUTE FUNCTION remember()
"""


@contextmanager
def writing(streams: Streams, rng: random.Random) -> Iterator[None]:
    """Changes of few objects, some each 5 milliseconds, as long as the block lasts."""
    done = threading.Event()

    def write() -> None:
        when = 0
        while not done.wait(0.005):
            when += 1
            numbers = rng.sample(range(OBJECTS), 3)
            streams.customers(*numbers, sync=rng.choice(["north", "south"]), v=when, when=when)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def read_and_kill(streams: Streams, log: Path, rng: random.Random) -> None:
    """Two readers at once, of which one is killed and replaced, again and again."""
    readers: list[Any] = []

    def start() -> None:
        process = processes.Process(
            target=work, args=(streams.url, str(log), rng.randrange(1 << 30))
        )
        process.start()
        readers.append(process)

    try:
        for _ in range(READERS):
            start()
        with writing(streams, rng):
            for _ in range(KILLS):
                # Where exactly it dies is left to chance: every point must be as good.
                time.sleep(rng.uniform(0.02, 0.3))
                killed = readers.pop(rng.randrange(READERS))
                killed.kill()
                killed.join()
                start()
        # What was taken by those that are gone is due after the time for its ack.
        end = time.monotonic() + 60
        while get_consumer(streams.url, NAME).lag_items and time.monotonic() < end:
            make_due(streams)
            time.sleep(0.3)
        assert all(reader.is_alive() for reader in readers)
    finally:
        for reader in readers:
            reader.kill()
            reader.join()


def test_killed_readers_lose_nothing_and_keep_the_order_of_each_object(
    streams: Streams, tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    pull_consumer(streams, ack_wait_ms=300)
    with psycopg.connect(streams.url) as connection:
        connection.execute(_HISTORY)
    log = tmp_path / "taken"
    read_and_kill(streams, log, rng)
    with psycopg.connect(streams.url) as connection:
        written = connection.execute("SELECT sync_id, seq FROM stripe_raw.events").fetchall()
        history = connection.execute(
            "SELECT sync_id, upstream_id, seq, state, was FROM history ORDER BY id"
        ).fetchall()
    received = {tuple(line.split()) for line in log.read_text().splitlines()}
    acked: dict[tuple[Any, str], list[int]] = defaultdict(list)
    in_flight: dict[tuple[Any, str], int] = {}
    for sync_id, upstream_id, seq, state, was in history:
        key = (sync_id, upstream_id)
        if was == "in_flight" and state != "in_flight":
            assert in_flight.pop(key) == seq
        if state == "in_flight":
            assert in_flight.setdefault(key, seq) == seq  # never two of one object
            assert seq > max(acked[key], default=0)  # never one of before
        if state is None:
            assert (was, (str(sync_id), str(seq)) in received) == ("in_flight", True)
            acked[key].append(seq)
    # Each was acknowledged once, and in its order.
    for seqs in acked.values():
        assert seqs == sorted(seqs)
    assert sorted((key[0], seq) for key, seqs in acked.items() for seq in seqs) == sorted(written)
    info = get_consumer(streams.url, NAME)
    assert (info.delivered, info.pending, info.lag_items) == (len(written), 0, 0)
