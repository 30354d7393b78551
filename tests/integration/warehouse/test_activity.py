"""Figures by time: latencies by minute and half hour, and how long they are kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg

from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.state.polls import ACTIVITY_RETENTION
from unit.records.changes.observations import NOON, SYNC

BY_TIME = {
    "poll_latency": "minute",
    "poll_latency_by_half_hour": "half_hour",
    "latency_percentiles": "half_hour",
    "changes_by_minute": "minute",
    "requests_by_minute": "minute",
}


def save(sql: psycopg.Connection[Any], minutes: int, latencies: dict[float, int]) -> None:
    """Store latencies of a commit some minutes after noon."""
    at = NOON + timedelta(minutes=minutes)
    values = (SYNC, at, list(latencies), list(latencies.values()))
    sql.execute("SELECT stripe_sync.save_latencies(%s, %s, %s::numeric[], %s)", values)


def test_percentiles_are_those_of_all_stripe_events_of_the_half_hour(
    warehouse: Warehouse, sql: psycopg.Connection[Any]
) -> None:
    save(sql, 1, {0.5: 90, 2.0: 9, 30.0: 1})
    save(sql, 29, {1.0: 100})
    save(sql, 30, {4.0: 1})
    half_hours = [NOON + timedelta(minutes=30 * number) for number in range(3)]
    [first, second, third] = warehouse.activity.freshness_of_all(half_hours)[SYNC]
    # 90 up to 0.5 seconds, 100 up to 1, 9 up to 2, one up to 30.
    assert (first.p50, first.p99, first.stripe_events) == (1.0, 2.0, 200)
    assert (second.p50, second.p99, second.stripe_events) == (4.0, 4.0, 1)
    assert (third.p50, third.p99, third.stripe_events) == (None, None, 0)
    assert [first.at, second.at, third.at] == half_hours
    assert warehouse.activity.freshness(SYNC, half_hours) == (first, second, third)
    tens = [NOON + timedelta(minutes=10 * number) for number in range(4)]
    points = warehouse.activity.freshness(SYNC, tens)
    assert [point.p50 for point in points] == [0.5, None, 1.0, 4.0]
    assert [point.stripe_events for point in points] == [100, 0, 100, 1]


def test_figures_by_time_are_kept_for_two_days(
    warehouse: Warehouse, sql: psycopg.Connection[Any]
) -> None:
    def times() -> dict[str, set[datetime]]:
        return {
            table: {at for (at,) in sql.execute(f"SELECT {column} FROM stripe_sync.{table}")}
            for table, column in BY_TIME.items()
        }

    newer = NOON + timedelta(minutes=30)
    for minutes, at in ((0, NOON), (30, newer)):
        save(sql, minutes, {0.5: 1})
        sql.execute("INSERT INTO stripe_sync.changes_by_minute VALUES (%s, %s, 1)", (SYNC, at))
        sql.execute("INSERT INTO stripe_sync.requests_by_minute VALUES ('a', %s, 'poll', 1)", (at,))
    warehouse.polls.prune_processed_events(SYNC, NOON + ACTIVITY_RETENTION)
    assert times() == {table: {NOON, newer} for table in BY_TIME}
    warehouse.polls.prune_processed_events(SYNC, NOON + ACTIVITY_RETENTION + timedelta(minutes=1))
    assert times() == {table: {newer} for table in BY_TIME}
