"""What a postgres consumer writes."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg.rows import dict_row

from integration.consumers.postgres.target_database import (
    BEGINNING,
    SYNC,
    TargetDatabase,
    batch,
    cursor,
    event,
    record,
)
from stripe_sync.consumers.sink import TargetError
from stripe_sync.records import canonical_json

COMMON = ("id", "sync_id", "resource_id")
LATER = "2026-04-01T12:00:00.000000Z"


def stored(target: TargetDatabase, table: str) -> dict[str, object]:
    with psycopg.connect(target.url, row_factory=dict_row) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        (row,) = connection.execute(f"SELECT * FROM {table}").fetchall()
    return row


@pytest.mark.parametrize("stream", ["records", "events"])
def test_a_row_has_what_the_item_has(target: TargetDatabase, stream: str) -> None:
    item = record(1) if stream == "records" else event(1, changes={"n": 0}, event_type="updated")
    target.deliver(batch(item), stream=stream)
    row = stored(target, f"stripe.{stream}")
    for key, value in item.json().items():
        found = row.pop(key)
        if key.endswith("_at"):
            found = found.isoformat().replace("+00:00", "Z")
        assert (str(found) if key in COMMON else found) == value, key
    assert list(row.values()) == [None]  # the exact text


def test_the_newest_version_of_a_record_stays(target: TargetDatabase) -> None:
    target.deliver(
        batch(record(1, idx=2, payload={"n": "second"}), record(2)),
        batch(record(1, idx=1, payload={"n": "first"}), record(2, idx=2, seq=4, deleted=True)),
    )
    rows = target.sql("SELECT payload->>'n', deleted, seq FROM stripe.records ORDER BY seq")
    assert rows == [("second", False, 1), ("2", True, 4)]


@pytest.mark.parametrize("moment", ["inserted_at", "updated_at"])
def test_a_record_of_a_sync_that_was_made_anew_or_lost_changes_replaces_the_old_one(
    target: TargetDatabase, moment: str
) -> None:
    new = record(1, idx=1, payload={"n": "new"}, **{moment: LATER})
    target.deliver(batch(record(1, idx=7)), batch(new))
    assert target.sql("SELECT payload->>'n', updated_idx FROM stripe.records") == [("new", 1)]


def test_a_change_event_of_a_sync_that_was_made_anew_replaces_the_one_with_its_id(
    target: TargetDatabase,
) -> None:
    anew = event(1, created_at=LATER, data={"n": "new"})
    target.deliver(batch(event(1)), batch(anew), batch(event(1)), stream="events")
    assert target.sql("SELECT data->>'n' FROM stripe.events") == [("new",)]


def test_a_batch_may_have_the_same_item_twice(target: TargetDatabase) -> None:
    target.deliver(batch(record(1, idx=2, seq=9), record(1, idx=3, seq=10), record(1, seq=11)))
    target.deliver(batch(event(1), event(2), event(1)), stream="events")
    assert target.sql("SELECT updated_idx, seq FROM stripe.records") == [(3, 10)]
    assert target.names("stripe.events") == ["cus_1", "cus_2"]


def test_change_events_are_appended_in_the_order_of_the_stream(target: TargetDatabase) -> None:
    target.deliver(stream="events")
    target.sql("ALTER TABLE stripe.events ADD COLUMN place bigint GENERATED ALWAYS AS IDENTITY")
    numbers = list(range(1, 400))
    target.deliver(
        batch(*map(event, numbers[:300])),
        batch(*map(event, numbers[200:]), start=300),
        stream="events",
        epoch=2,
    )
    assert [seq for (seq,) in target.sql("SELECT seq FROM stripe.events ORDER BY place")] == numbers


@pytest.mark.parametrize(
    "text",
    [
        r'{"a":"nul \u0000 and \\u0000","b":"\ud800 half"}',
        '{"n":12345678901234567890123,"small":-0.0}',
        r'{"quote":"\"","tab":"\t","path":"C:\\u0000"}',
    ],
)
def test_no_text_is_lost(target: TargetDatabase, text: str) -> None:
    exact = canonical_json.canonical(canonical_json.loads(text)).decode()
    target.deliver(batch(record(1), record(2, payload=exact), record(3)))
    target.deliver(batch(event(1, data=canonical_json.part(exact))), stream="events")
    ((in_records, payload),) = target.sql(
        "SELECT coalesce(payload_exact, payload::text), payload FROM stripe.records WHERE seq = 2"
    )
    ((in_events,),) = target.sql("SELECT coalesce(data_exact, data::text) FROM stripe.events")
    for found in (in_records, in_events):
        assert canonical_json.canonical(canonical_json.loads(found)).decode() == exact
    assert payload.keys() == canonical_json.loads(exact).keys()
    assert target.names() == ["cus_1", "cus_2", "cus_3"]


def test_old_values_of_changes_may_have_nul(target: TargetDatabase) -> None:
    target.deliver(batch(event(1, changes={"name": "a\0b"})), stream="events")
    assert target.sql("SELECT changes FROM stripe.events") == [({"name": "a�b"},)]


def test_a_huge_object_is_delivered(target: TargetDatabase) -> None:
    text = "x" * (30 << 20)
    target.deliver(batch(record(1), record(2, payload={"text": text}), record(3)))
    assert target.sql("SELECT length(payload->>'text') FROM stripe.records ORDER BY seq") == [
        (None,),
        (len(text),),
        (None,),
    ]


def test_typed_columns_have_single_fields(target: TargetDatabase) -> None:
    typed = {
        "Amount": {"path": "amount", "type": "bigint"},
        "created": {"path": "created", "type": "timestamptz"},
        "email": {"path": "billing.email", "type": "text"},
        "dotted": {"path": ["metadata", "a.b"], "type": "text"},
        "price": {"path": "lines.0.price", "type": "numeric"},
        "live": {"path": "livemode", "type": "boolean"},
    }
    full = {
        "amount": 2**40,
        "created": 1_700_000_000,
        "billing": {"email": "a\0@b.c"},
        "metadata": {"a.b": "yes"},
        "lines": [{"price": "0.125"}],
        "livemode": False,
    }
    wrong = {**full, "amount": "4711 secret"}
    done = target.deliver(
        batch(record(1, payload=full), record(2, payload={"lines": []}), record(3, payload=wrong)),
        typed_columns=typed,
    )
    rows = target.sql(
        """SELECT "Amount", extract(epoch FROM created)::bigint, email, dotted, price::text, live
        FROM stripe.records ORDER BY seq"""
    )
    assert rows == [(2**40, 1_700_000_000, "a�@b.c", "yes", "0.125", False), (None,) * 6]
    (failure,) = done.outcomes[0].failed.values()
    assert failure.error == "amount is no bigint, as column Amount needs"
    assert failure.is_final


def test_a_row_that_the_table_refuses_becomes_a_dead_letter(target: TargetDatabase) -> None:
    target.deliver()
    target.sql("ALTER TABLE stripe.records ADD CHECK ((payload->>'n')::int % 100 <> 7)")
    target.sql("CREATE UNIQUE INDEX ON stripe.records ((payload->'unique'))")
    items = [record(number) for number in range(1, 300)]
    items[40] = record(41, payload={"n": "no number: secret"})
    items[50] = record(51, payload={"n": 1, "unique": 1})
    items[51] = record(52, payload={"n": 1, "unique": 1})
    done = target.deliver(batch(*items), epoch=2)
    failed = {key[1]: failure for key, failure in done.outcomes[0].failed.items()}
    assert sorted(failed) == [7, 41, 52, 107, 207]
    assert all(failure.is_final for failure in failed.values())
    assert "violates check constraint" in failed[7].error
    assert "duplicate key" in failed[52].error
    assert "SQLSTATE 22P02" in failed[41].error
    assert "secret" not in failed[41].error
    assert len(target.names()) == 299 - 5


@pytest.mark.parametrize("state", ["P0001", "MY001"])
def test_a_trigger_may_refuse_a_row(target: TargetDatabase, state: str) -> None:
    target.deliver()
    target.sql(
        f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.seq = 2 THEN RAISE 'not %', NEW.payload USING ERRCODE = '{state}'; END IF;
        RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON stripe.records
        FOR EACH ROW EXECUTE FUNCTION refuse()"""
    )
    done = target.deliver(batch(record(1), record(2), record(3)), epoch=2)
    assert list(done.outcomes[0].failed) == [(SYNC, 2)]
    assert target.names() == ["cus_1", "cus_3"]


def test_a_constraint_may_be_checked_at_the_commit(target: TargetDatabase) -> None:
    target.deliver()
    target.sql("CREATE TABLE teams (number int PRIMARY KEY)")
    target.sql("INSERT INTO teams VALUES (1), (3)")
    target.sql(
        """ALTER TABLE stripe.records
        ADD COLUMN team int GENERATED ALWAYS AS ((payload->>'n')::int) STORED
        REFERENCES teams DEFERRABLE INITIALLY DEFERRED"""
    )
    done = target.deliver(batch(record(1), record(2), record(3)), epoch=2)
    assert list(done.outcomes[0].failed) == [(SYNC, 2)]
    assert target.names() == ["cus_1", "cus_3"]


def test_a_table_that_refuses_every_row_makes_no_dead_letters(target: TargetDatabase) -> None:
    target.deliver()
    target.sql("ALTER TABLE stripe.records ADD CHECK (false)")
    with pytest.raises(TargetError, match=r"takes none of 150 items: .*check constraint"):
        target.deliver(batch(*map(record, range(1, 151))), epoch=2)
    target.sql("ALTER TABLE stripe.records DROP CONSTRAINT records_check")
    done = target.deliver(batch(*map(record, range(1, 151))), epoch=3)
    assert not done.outcomes[0].failed
    assert len(target.names()) == 150


def test_a_column_that_is_added_meanwhile_makes_no_dead_letters(target: TargetDatabase) -> None:
    async def use() -> None:
        sink = target.sink()
        await sink.open(BEGINNING)
        target.sql("ALTER TABLE stripe.records ADD COLUMN team text NOT NULL")
        with pytest.raises(TargetError, match=r"column team of stripe.records is not ours"):
            await sink.deliver(batch(record(1)))

    asyncio.run(use())
    target.sql("ALTER TABLE stripe.records ALTER COLUMN team SET DEFAULT 'us'")
    target.deliver(batch(record(1)), epoch=2)
    assert target.names() == ["cus_1"]


def test_a_batch_without_items_moves_the_cursor(target: TargetDatabase) -> None:
    done = target.deliver(batch(start=0, end=20_000))
    assert done.checkpoint.cursor == cursor(20_000)
    assert target.positions() == {SYNC: 20_000}
