"""Targets and sinks that fail: tried again, paused, reported; nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from integration.consumers.file_sink import FileSink
from integration.consumers.running import Running
from stripe_sync import ConsumerNotFound, deliver, resume_consumer, update_consumer
from stripe_sync.consumers.sink import DeliveryBatch, ItemFailure, Outcome, TargetError
from warehouse_rows import rows


def test_an_object_that_fails_for_days_does_not_count_as_a_target_that_is_down(
    out: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_down = False

    def answer(batch: DeliveryBatch) -> Outcome:
        if is_down:
            message = "down for a moment"
            raise TargetError(message)
        bad = (item for item in batch.items if item.upstream_id == "cus_1")
        return Outcome(failed={item.key: ItemFailure("refused") for item in bad})

    monkeypatch.setattr(FileSink, "answer", staticmethod(answer))
    monkeypatch.setattr(FileSink, "gives_up_after", timedelta(hours=24))
    out.streams.customers(1, 2)
    out.create()
    out.run_until(lambda: out.consumer.delivered == 1)
    with psycopg.connect(out.streams.url) as connection:
        connection.execute(
            "UPDATE stripe_sync.consumers SET failing_since = failing_since - interval '3 days'"
        )
    is_down = True
    out.streams.customers(3)
    failures = "SELECT failures >= 2 FROM stripe_sync.consumers"
    out.run_until(lambda: out.consumer.last_error == "down for a moment")
    # The next process knows only what the first one has stored.
    out.run_until(lambda: rows(out.streams.url, failures) == [(True,)])
    assert out.consumer.status == "failing"


def test_a_batch_of_dead_letters_only_is_no_failure(out: Running) -> None:
    def answer(batch: DeliveryBatch) -> Outcome:
        return Outcome(failed={item.key: ItemFailure("no", is_final=True) for item in batch.items})

    FileSink.answer = staticmethod(answer)
    out.streams.customers(1)
    out.create()
    out.run_until(lambda: out.consumer.dead == 1)
    found = out.consumer
    assert (found.status, found.last_error, found.failing_since) == ("active", None, None)


def test_nobody_is_missed_between_two_runs(out: Running) -> None:
    out.create()
    assert out.consumer.warning == "nobody delivers to it: unpause stripe_deliver"
    out.streams.customers(1)
    out.run_until(lambda: out.consumer.delivered == 1)
    assert out.consumer.warning is None
    with psycopg.connect(out.streams.url) as connection:
        connection.execute(
            "UPDATE stripe_sync.consumers SET lease_until = now() - interval '2 minutes'"
        )
    assert out.consumer.warning == "nobody delivers to it: unpause stripe_deliver"


def test_a_target_that_is_away_is_tried_again_and_nothing_is_lost(out: Running) -> None:
    tries = 0

    def answer(batch: DeliveryBatch) -> Outcome:
        nonlocal tries
        tries += bool(batch.items)
        if batch.items and tries <= 4:
            message = "the disk is full: make room"
            raise TargetError(message)
        return Outcome()

    FileSink.answer = staticmethod(answer)
    out.streams.customers(1, 2, 3)
    out.create()
    out.start()
    out.until(lambda: out.consumer.last_error == "the disk is full: make room")
    out.until(lambda: out.consumer.status == "active" and out.consumer.delivered == 3)
    out.stop()
    assert out.lines() == [("cus_1", 1), ("cus_2", 2), ("cus_3", 3)]


def test_a_lost_connection_to_the_warehouse_stops_deliveries_for_a_moment(out: Running) -> None:
    storing = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
        " current_database() AND wait_event_type = 'Lock' AND query LIKE '%%delivered +%%'"
    )
    leases = "SELECT FROM stripe_sync.consumers WHERE lease_owner IS NOT NULL"
    out.create()
    out.start()
    out.until(lambda: len(rows(out.streams.url, leases)) == 1)
    with psycopg.connect(out.streams.url) as connection:
        connection.execute("SELECT FROM stripe_sync.consumers FOR UPDATE")
        out.streams.customers(1)
        out.until(lambda: rows(out.streams.url, storing) == [(True,)])
    out.until(lambda: out.consumer.delivered == 1)
    out.stop()


def test_a_sink_that_fails_in_its_own_way_is_tried_again(out: Running) -> None:
    is_broken = True

    def answer(batch: DeliveryBatch) -> Outcome:
        if is_broken and batch.items:
            raise ZeroDivisionError
        return Outcome()

    FileSink.answer = staticmethod(answer)
    out.streams.customers(1)
    out.create()
    out.start()
    out.until(lambda: (out.consumer.last_error or "").startswith("unexpected ZeroDivisionError"))
    is_broken = False
    out.until(lambda: out.consumer.delivered == 1 and out.consumer.status == "active")
    out.stop()


def test_the_next_process_waits_as_long_as_the_target_said(out: Running) -> None:
    is_down = True

    def answer(_batch: DeliveryBatch) -> Outcome:
        if is_down:
            message = "429: come back tomorrow"
            raise TargetError(message, retry_after=86_400.0)
        return Outcome()

    FileSink.answer = staticmethod(answer)
    out.create()
    out.streams.customers(1)
    out.run_until(lambda: out.consumer.last_error == "429: come back tomorrow")
    told = out.consumer.retry_at
    is_down = False
    leases = "SELECT lease_owner FROM stripe_sync.consumers WHERE lease_owner IS NOT NULL"
    looks = "SELECT lease_until FROM stripe_sync.consumers"
    out.start()
    out.until(lambda: len(rows(out.streams.url, leases)) == 1)
    [first] = rows(out.streams.url, looks)
    # It keeps the lease while it waits.
    out.until(lambda: rows(out.streams.url, looks) > [first])
    assert (out.consumer.retry_at, out.consumer.delivered) == (told, 0)
    resume_consumer(out.streams.url, "out")
    out.until(lambda: out.consumer.delivered == 1)
    out.stop()


def test_a_sink_may_pause_its_consumer(out: Running) -> None:
    def answer(_batch: DeliveryBatch) -> Outcome:
        message = "410: the target is gone for good"
        raise TargetError(message, pauses=True)

    FileSink.answer = staticmethod(answer)
    out.create()
    out.streams.customers(1)
    out.run_until(lambda: out.consumer.status == "paused")
    assert out.consumer.pause_reason == "410: the target is gone for good"
    FileSink.answer = None
    resume_consumer(out.streams.url, "out")
    out.run_until(lambda: out.consumer.delivered == 1)


def test_a_missing_connection_is_said_and_waited_for(out: Running) -> None:
    out.create(connection_id="target")
    out.streams.customers(1)
    out.run_until(lambda: out.consumer.last_error is not None)
    assert out.consumer.last_error == "there is no connection target"
    assert out.consumer.lag_items == 1
    # As the documentation has it: a dict's __getitem__.
    update_consumer(out.streams.url, "out", connection_id="other")
    deliver(
        out.streams.url,
        {}.__getitem__,
        is_stopping=lambda: out.consumer.last_error == "there is no connection other",
    )


def test_a_name_that_no_consumer_has_is_said(out: Running) -> None:
    out.create()
    with pytest.raises(ConsumerNotFound, match="there is no consumer 'uot'"):
        deliver(out.streams.url, {}.__getitem__, consumers=["out", "uot"], seconds=60)
