"""Rows and cursor of a postgres consumer agree, whatever happens between two commits."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from databases import new_database
from integration.consumers.postgres.target_database import (
    BEGINNING,
    SYNC,
    TargetDatabase,
    batch,
    cursor,
    deliver,
    event,
    record,
)
from stripe_sync.consumers.sink import Checkpoint, TargetError

DEFERRED = """
CREATE FUNCTION killed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
CREATE CONSTRAINT TRIGGER killed AFTER INSERT ON stripe.events DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.seq = 2) EXECUTE FUNCTION killed()
"""


def test_what_the_target_has_is_not_read_again(target: TargetDatabase) -> None:
    before = target.deliver(batch(event(1)), stream="events").checkpoint
    # This process is killed between the commit of the target and the one of the warehouse.
    target.deliver(batch(event(2), start=1), stream="events", checkpoint=before, epoch=2)
    after = target.deliver(stream="events", checkpoint=before, epoch=3)
    assert after.opened.cursor == cursor(2)


def test_a_batch_that_moves_nothing_keeps_the_mark(target: TargetDatabase) -> None:
    first, again = replace(batch(event(1)), mark=7), batch(start=1)
    before = target.deliver(batch(), stream="events").checkpoint
    target.deliver(first, again, stream="events", checkpoint=before, epoch=2)
    after = target.deliver(stream="events", checkpoint=before, epoch=3).opened
    assert (after.cursor, after.mark) == (cursor(1), 7)


def test_a_dead_letter_is_not_lost_where_the_warehouse_did_not_store_it(
    target: TargetDatabase,
) -> None:
    typed = {"n": {"path": "n", "type": "bigint"}}
    before = target.deliver(batch(record(1)), typed_columns=typed).checkpoint
    bad = batch(record(2, payload={"n": "x"}), record(3), start=1)
    first = target.deliver(bad, checkpoint=before, epoch=2, typed_columns=typed)
    again = target.deliver(bad, checkpoint=before, epoch=3, typed_columns=typed)
    assert again.opened.cursor == cursor(1)
    assert again.outcomes == first.outcomes
    # Once the warehouse has stored it, its cursor counts.
    last = target.deliver(checkpoint=again.checkpoint, epoch=4, typed_columns=typed)
    assert last.opened.cursor == cursor(3)
    assert target.names() == ["cus_1", "cus_3"]


def test_a_replay_delivers_again_what_the_target_has(target: TargetDatabase) -> None:
    items = batch(record(1), record(2), record(3))
    target.deliver(items)
    target.sql("DELETE FROM stripe.records WHERE seq = 1")
    target.sql("UPDATE stripe.records SET payload = '{}' WHERE seq = 2")
    replayed = target.deliver(items, checkpoint=BEGINNING, epoch=2)
    assert replayed.opened == BEGINNING
    rows = target.sql("SELECT upstream_id, payload->'n' FROM stripe.records ORDER BY seq")
    assert rows == [("cus_1", 1), ("cus_2", 2), ("cus_3", 3)]


def test_a_replay_that_is_killed_begins_where_it_was_told_to(target: TargetDatabase) -> None:
    target.deliver(batch(*map(event, range(1, 10))), stream="events")
    replay = Checkpoint(cursor(3))
    target.deliver(batch(event(4), start=3), stream="events", checkpoint=replay, epoch=2)
    again = target.deliver(
        batch(event(4), event(5), start=3), stream="events", checkpoint=replay, epoch=3
    )
    assert again.opened.cursor == cursor(3)
    assert target.names("stripe.events") == [f"cus_{n}" for n in range(1, 10)]
    last = target.deliver(stream="events", checkpoint=again.checkpoint, epoch=4)
    assert last.opened.cursor == cursor(5)


def test_a_restored_target_gets_what_it_lost(target: TargetDatabase, postgres_url: str) -> None:
    first = target.deliver(batch(record(1), record(2))).checkpoint
    with new_database(postgres_url, like=target.url) as url:
        later = target.deliver(batch(record(3), start=2), checkpoint=first, epoch=2).checkpoint
        restored = TargetDatabase(url)
        done = restored.deliver(batch(record(3), start=2), checkpoint=later, epoch=3)
        assert done.opened.cursor == cursor(2)
        assert restored.names() == ["cus_1", "cus_2", "cus_3"]


def test_a_target_that_was_restored_after_a_dead_letter_gets_what_it_lost(
    target: TargetDatabase, postgres_url: str
) -> None:
    typed = {"n": {"path": "n", "type": "bigint"}}
    first = target.deliver(batch(record(1)), typed_columns=typed).checkpoint
    with new_database(postgres_url, like=target.url) as url:
        bad = batch(record(2), record(3, payload={"n": "x"}), start=1)
        later = target.deliver(bad, checkpoint=first, epoch=2, typed_columns=typed).checkpoint
        restored = TargetDatabase(url)
        done = restored.deliver(checkpoint=later, epoch=3, typed_columns=typed)
        assert done.opened.cursor == cursor(1)


@pytest.mark.parametrize("loss", ["table", "schema", "another table"])
def test_a_target_without_what_was_delivered_asks_for_a_replay(
    target: TargetDatabase, loss: str
) -> None:
    before = target.deliver(batch(record(1))).checkpoint
    table = "records"
    if loss == "another table":
        table = "copies"
    else:
        target.sql("DROP TABLE stripe.records" if loss == "table" else "DROP SCHEMA stripe CASCADE")
    for _ in range(2):
        with pytest.raises(TargetError, match=r"was dropped.* Start a replay"):
            target.deliver(checkpoint=before, epoch=2, table=table)
    target.deliver(batch(record(1)), checkpoint=BEGINNING, epoch=3, table=table)
    assert target.names(f"stripe.{table}") == ["cus_1"]


def test_an_older_process_writes_nothing(target: TargetDatabase) -> None:
    async def use() -> None:
        old, new = target.sink(epoch=1), target.sink(epoch=2)
        await old.open(BEGINNING)
        await old.deliver(batch(record(1)))
        old_position = old.position()
        await new.open(Checkpoint(cursor(1), old_position))
        for _ in range(2):
            with pytest.raises(TargetError, match="another process delivers to consumer copy"):
                await old.deliver(batch(record(2), start=1))
            with pytest.raises(TargetError, match="another process delivers to consumer copy"):
                await old.open(Checkpoint(cursor(1), old_position))
        await new.deliver(batch(record(3), start=1))
        await new.close()

    asyncio.run(use())
    assert target.names() == ["cus_1", "cus_3"]


def test_a_process_that_was_superseded_in_the_same_lease_writes_nothing(
    target: TargetDatabase,
) -> None:
    async def use() -> None:
        old, new = target.sink(), target.sink()
        for each in (old, new):
            await each.open(BEGINNING)
        await new.deliver(batch(record(1)))
        with pytest.raises(TargetError, match="another process"):
            await old.deliver(batch(record(2)))
        await new.close()

    asyncio.run(use())
    assert target.names() == ["cus_1"]


def test_a_consumer_that_was_made_anew_begins_where_it_says(target: TargetDatabase) -> None:
    target.deliver(batch(record(1), record(2)), epoch=40)
    done = target.deliver(batch(record(1), record(2)), epoch=41)
    assert done.opened == BEGINNING


def test_a_connection_that_is_lost_at_the_commit_leaves_nothing(target: TargetDatabase) -> None:
    before = target.deliver(batch(event(1)), stream="events").checkpoint
    target.sql(DEFERRED)
    with pytest.raises(TargetError, match=r"cannot reach PostgreSQL at .*terminating connection"):
        target.deliver(
            batch(event(2), event(3), start=1), stream="events", checkpoint=before, epoch=2
        )
    assert target.names("stripe.events") == ["cus_1"]
    target.sql("DROP TRIGGER killed ON stripe.events")
    done = target.deliver(
        batch(event(2), event(3), start=1), stream="events", checkpoint=before, epoch=3
    )
    assert done.opened.cursor == cursor(1)
    assert target.names("stripe.events") == ["cus_1", "cus_2", "cus_3"]


def test_a_sink_whose_backend_was_terminated_goes_on_when_it_is_opened_again(
    target: TargetDatabase,
) -> None:
    async def use() -> None:
        sink = target.sink()
        await sink.open(BEGINNING)
        await sink.deliver(batch(record(1)))
        checkpoint = Checkpoint(cursor(1), sink.position())
        target.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for _ in range(2):
            with pytest.raises(TargetError):
                await sink.deliver(batch(record(2), start=1))
        await deliver(sink, [batch(record(2), start=1)], checkpoint)

    asyncio.run(use())
    assert target.names() == ["cus_1", "cus_2"]
    assert target.positions() == {SYNC: 2}


def test_consumers_of_one_table_have_cursors_of_their_own(target: TargetDatabase) -> None:
    target.deliver(batch(record(1), record(2)))
    target.deliver(batch(event(1)), stream="events")
    rows = target.sql(
        "SELECT table_name, positions->>%s FROM stripe.stripe_sync_cursors ORDER BY 1", str(SYNC)
    )
    assert rows == [("events", "1"), ("records", "2")]
