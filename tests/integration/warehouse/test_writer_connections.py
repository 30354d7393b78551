from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from stripe_sync.records import EventRow, RecordRow
from stripe_sync.warehouse import Warehouse
from unit.records.changes.observations import batch, observation

_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"


def sessions(sql: psycopg.Connection[Any]) -> set[int]:
    return {pid for (pid,) in sql.execute(_SESSIONS)}


def test_threads_share_the_connections_of_a_writer(
    warehouse: Warehouse, sql: psycopg.Connection[Any]
) -> None:
    both_inside, go_on = threading.Barrier(3), threading.Event()

    def hold(_records: list[RecordRow], _events: list[EventRow]) -> None:
        both_inside.wait(30)
        assert go_on.wait(30)

    def load(collection: str) -> int:
        one = observation(collection_id=collection)
        return writer.load(batch(one), hold if collection != "stripe:refund" else None).events

    others = sessions(sql)
    with ThreadPoolExecutor(3) as pool, warehouse.writer(connections=2) as writer:
        try:
            holding = [pool.submit(load, name) for name in ("stripe:customer", "stripe:charge")]
            both_inside.wait(30)
            waiting = pool.submit(load, "stripe:refund")
        finally:
            go_on.set()
        assert [load.result() for load in (*holding, waiting)] == [1, 1, 1]
        assert len(sessions(sql) - others) == 2


def test_a_writer_keeps_its_connection_between_loads(
    warehouse: Warehouse, sql: psycopg.Connection[Any]
) -> None:
    others = sessions(sql)
    with warehouse.writer() as writer:
        writer.load(batch(observation()))
        before = sessions(sql)
        writer.load(batch(observation({"n": 1}, when=1)))
        assert sessions(sql) == before
        assert len(before - others) == 1
