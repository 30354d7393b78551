"""A writing process is killed between any two steps: a retry ends as if nothing had happened."""

from __future__ import annotations

import os
from functools import partial
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from integration.mutations.written import Written
from integration.sync.poll.accounts import wait_until
from integration.sync.sync_processes import Work
from stripe_sync import Connections, Mutation, prepare_mutation, run_mutation
from sync_harness import SYNC

HANG = """
CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$
"""

# Where the process hangs, and is killed.
STEPS = {
    "before the request is stored": "BEFORE INSERT ON stripe_sync.mutations",
    "before it is marked as sent": "BEFORE UPDATE OF sent_at ON stripe_sync.mutations",
    "before the answer is stored": "BEFORE INSERT ON stripe_raw.events",
    "before the outcome is stored": "BEFORE UPDATE OF request_id ON stripe_sync.mutations",
}

KINDS = ["create", "update", "delete", "cancel"]

ALL = os.environ.get("STRIPE_SYNC_TEST_KILLS")
"""Set by `make soak`: every kind with every step."""

CASES = [
    (kind, step)
    for place, kind in enumerate(KINDS)
    for number, step in enumerate(STEPS)
    if ALL or kind in {"create", "delete"} or number % 2 == place % 2
]


def perform(mutation: Mutation, connections: Connections, sync: str, _: str, **__: Any) -> Any:
    """Run a mutation in a process of its own."""
    report = run_mutation(connections, sync, mutation)
    return SimpleNamespace(status=report.results[0].status.value)


def mutation_of(kind: str, written: Written) -> tuple[Mutation, str | None]:
    """A mutation, and the object that it writes."""
    if kind == "create":
        return Mutation("customer", kind, [{"name": "New"}], key="k"), None
    if kind == "cancel":
        intent = written.create("payment_intent", amount=100, currency="usd")
        return Mutation("payment_intent", kind, [{"id": intent["id"]}], key="k"), intent["id"]
    customer = written.create("customer", name="Old")
    record = {"id": customer["id"]} | ({"name": "New"} if kind == "update" else {})
    return Mutation("customer", kind, [record], key="k"), customer["id"]


def kill_at(written: Written, trigger: str, mutation: Mutation) -> None:
    """Run it in a process that is killed when it reaches a step."""
    url = written.harness.connections.warehouse_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(HANG)
        connection.execute(f"CREATE TRIGGER hang {trigger} FOR EACH ROW EXECUTE FUNCTION hang()")
        work = Work(partial(perform, mutation), written.harness.connections, SYNC, "")
        sleeping = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = %s"
        name = connection.info.dbname

        def hangs() -> bool:
            return bool(connection.execute(f"SELECT pid {sleeping}", [name]).fetchall())

        wait_until(hangs)
        work.kill()
        connection.execute(f"SELECT pg_terminate_backend(pid) {sleeping}", [name])
        connection.execute("DROP FUNCTION hang CASCADE")


@pytest.mark.parametrize(("kind", "step"), CASES)
def test_killed_between_two_steps(written: Written, kind: str, step: str) -> None:
    mutation, name = mutation_of(kind, written)
    written.harness.poll(2)
    before = len(written.stripe_events())
    kill_at(written, STEPS[step], mutation)
    # In half of them a poller is faster than the retry.
    if (KINDS.index(kind) + list(STEPS).index(step)) % 2:
        written.harness.poll(2)
    report = run_mutation(written.harness.connections, SYNC, mutation)
    assert not report.failed
    again = run_mutation(written.harness.connections, SYNC, mutation)
    assert again.records == report.records
    written.harness.poll(2)
    name = name or report.results[0].upstream_id
    assert len(written.stripe_events()) == before + 1
    expected = {"create": "created", "delete": "deleted"}.get(kind, "updated")
    assert [change for change, _ in written.history(str(name))][-1] == expected
    written.assert_one_change_for_each_stripe_event()
    written.harness.assert_streams_agree()


@pytest.mark.parametrize("kind", KINDS)
def test_killed_when_it_was_marked_and_not_sent(written: Written, kind: str) -> None:
    mutation, _ = mutation_of(kind, written)
    prepare_mutation(written.harness.connections, SYNC, mutation)
    written.harness.sql(
        "UPDATE stripe_sync.mutations SET status = 'sent', sent_at = now()"
        " WHERE status = 'prepared' RETURNING 1"
    )
    report = run_mutation(written.harness.connections, SYNC, mutation)
    assert not report.failed
    written.harness.poll(2)
    written.assert_one_change_for_each_stripe_event()
    written.harness.assert_streams_agree()


def test_days_later_nothing_is_sent_again(written: Written) -> None:
    mutation, _ = mutation_of("create", written)
    prepare_mutation(written.harness.connections, SYNC, mutation)
    written.harness.sql(
        "UPDATE stripe_sync.mutations SET status = 'sent', sent_at = now() - interval '2 days'"
        " RETURNING 1"
    )
    report = run_mutation(written.harness.connections, SYNC, mutation)
    [result] = report.results
    assert result.status == "unknown"
    assert result.error is not None
    assert "start a new run" in result.error.message
    assert not written.harness.sandbox.control.objects("customer")


def test_days_later_a_stripe_event_has_shown_what_became_of_it(written: Written) -> None:
    mutation, _ = mutation_of("create", written)
    kill_at(written, STEPS["before the answer is stored"], mutation)
    written.harness.poll(2)
    written.harness.sql(
        "UPDATE stripe_sync.mutations SET sent_at = now() - interval '2 days' RETURNING 1"
    )
    report = run_mutation(written.harness.connections, SYNC, mutation)
    [customer] = written.harness.sandbox.control.objects("customer")
    assert [each["upstream_id"] for each in report.records] == [customer["id"]]
    written.assert_one_change_for_each_stripe_event()


def test_two_processes_with_one_key(written: Written) -> None:
    mutation, _ = mutation_of("create", written)
    written.harness.sandbox.control.settings(latency=0.3)
    works = [
        Work(partial(perform, mutation), written.harness.connections, SYNC, "") for _ in range(3)
    ]
    assert [work.end() for work in works] == ["done"] * 3
    assert len(written.harness.sandbox.control.objects("customer")) == 1
    written.harness.poll(2)
    written.assert_one_change_for_each_stripe_event()
