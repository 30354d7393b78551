"""Typed tables are always equal to the payloads, whoever writes the records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from stripe_sync.catalog import load_catalog
from stripe_sync.catalog.fields import load_fields
from stripe_sync.warehouse import BatchWriter, Warehouse
from stripe_sync.warehouse.typed_tables.columns import typed_tables
from unit.records.changes.observations import CUSTOMER, SYNC, batch, observation

Sql = psycopg.Connection[Any]
ODD_VALUES = (
    2**63,
    -(2**70),
    1e300,
    0.5,
    "x" * 10_000,
    "\ufffd",
    {"id": "y" * 10_000},
    {"id": {"id": 1}},
    [[]],
    [{"current_period_end": 2**63}, 1, None, {"amount": "much"}],
    {"data": [{"current_period_end": 2**62, "quantity": 2**62}] * 4},
    {"data": {"not": "a list"}},
    True,
)


def rows(sql: Sql, table: str, order: str = "_seq") -> list[dict[str, Any]]:
    cursor = sql.execute(f'SELECT * FROM stripe_raw."{table}" ORDER BY {order}')
    names = [column.name for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def every_row(sql: Sql) -> dict[str, list[dict[str, Any]]]:
    return {table.name: rows(sql, table.name) for table in typed_tables()}


def rebuilt(warehouse: Warehouse, sql: Sql) -> dict[str, list[dict[str, Any]]]:
    """All typed rows as they are when filled from the payloads again."""
    warehouse.typed_tables.restart([table.collection_id for table in typed_tables()])
    for _ in warehouse.typed_tables.fill():
        pass
    assert sql.execute("SELECT bool_and(is_filled) FROM stripe_sync.typed_tables").fetchone() == (
        True,
    )
    return every_row(sql)


def test_a_row_follows_its_record_through_its_life(
    warehouse: Warehouse, writer: BatchWriter, sql: Sql
) -> None:
    writer.load(
        batch(
            observation({"id": "cus_1", "name": "A", "created": 1_700_000_000}),
            observation({"id": "cus_2", "name": "B"}, upstream_id="cus_2"),
        )
    )
    [first, _] = rows(sql, "customers")
    assert (first["id"], first["name"], first["_deleted"]) == ("cus_1", "A", False)
    assert first["created_ts"].timestamp() == first["created"] == 1_700_000_000
    writer.load(batch(observation({"id": "cus_1", "name": "C"}, when=5)))
    writer.load(batch(observation({"id": "cus_2"}, upstream_id="cus_2", when=6, deleted=True)))
    changed, gone = rows(sql, "customers")
    assert (changed["id"], changed["name"], changed["created"]) == ("cus_1", "C", None)
    assert (gone["id"], gone["_deleted"]) == ("cus_2", True)
    assert every_row(sql) == rebuilt(warehouse, sql)


def test_erased_and_removed_records_leave_no_values(
    warehouse: Warehouse, writer: BatchWriter, sql: Sql
) -> None:
    writer.load(batch(observation({"id": "cus_1", "email": "a@example.com", "object": "customer"})))
    warehouse.erasures.erase(SYNC, CUSTOMER, ["cus_1"])
    [erased] = rows(sql, "customers")
    assert (erased["email"], erased["_deleted"]) == (None, True)
    assert every_row(sql) == rebuilt(warehouse, sql)
    assert dict(warehouse.removal.delete_data(SYNC))["records"] == 1
    assert rows(sql, "customers") == []


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: repr(value)[:20])
def test_no_value_stops_a_sync(
    warehouse: Warehouse, writer: BatchWriter, sql: Sql, value: Any
) -> None:
    for collection in load_catalog().values():
        names = set(load_fields()[collection.id])
        names |= {
            path.split(".")[0]
            for field in load_fields()[collection.id].values()
            for path in field.moved_to
        }
        payload = dict.fromkeys(names, value) | {"id": "odd_1"}
        writer.load(batch(observation(payload, collection_id=collection.id, upstream_id="odd_1")))
        [row] = rows(sql, collection.view)
        assert row["_sync_id"] == SYNC


def test_new_columns_are_appended_and_filled_by_the_next_maintenance(
    warehouse: Warehouse, writer: BatchWriter, sql: Sql
) -> None:
    writer.load(batch(observation({"id": "cus_1", "name": "A", "email": "a@example.com"})))
    sql.execute("ALTER TABLE stripe_raw.customers DROP COLUMN email")
    sql.execute("ALTER TABLE stripe_raw.customers ALTER COLUMN name TYPE varchar")
    sql.execute("UPDATE stripe_sync.typed_tables SET function_hash = 'of another version'")
    sql.execute("UPDATE stripe_sync.sql_functions SET content_hash = 'of another version'")
    warehouse.upgrade()
    [row] = rows(sql, "customers")
    assert list(row)[-2:] == ["email", "name"]
    assert (row["name_before_1"], row["name"], row["email"]) == ("A", None, None)
    # A change is typed in full at once, and does not wait for the maintenance.
    writer.load(batch(observation({"id": "cus_2", "email": "b"}, upstream_id="cus_2")))
    assert rows(sql, "customers")[1]["email"] == "b"
    assert dict(warehouse.typed_tables.fill())[CUSTOMER] == 0
    assert [(row["name"], row["email"]) for row in rows(sql, "customers")] == [
        ("A", "a@example.com"),
        (None, "b"),
    ]


def test_an_indexed_column_may_change_its_type(warehouse: Warehouse, sql: Sql) -> None:
    sql.execute("ALTER TABLE stripe_raw.customers ALTER COLUMN created TYPE integer")
    sql.execute("DROP INDEX stripe_raw.customers__seq")
    sql.execute("UPDATE stripe_sync.typed_tables SET function_hash = 'of another version'")
    sql.execute("UPDATE stripe_sync.sql_functions SET content_hash = 'of another version'")
    warehouse.upgrade()
    found = sql.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'stripe_raw'"
        " AND tablename = 'customers'"
    ).fetchall()
    indexes = dict(found)
    assert "(created)" in indexes["customers_created"]
    assert "customers__seq" in indexes


def test_an_upgrade_beside_a_writer_does_not_deadlock(
    warehouse: Warehouse, warehouse_url: str, sql: Sql
) -> None:
    """The upgrade waits for the writer before it locks anything that the writer needs next."""
    sql.execute("ALTER TABLE stripe_raw.customers DROP COLUMN email")
    sql.execute("UPDATE stripe_sync.typed_tables SET function_hash = 'of another version'")
    sql.execute("UPDATE stripe_sync.sql_functions SET content_hash = 'of another version'")
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'stripe_raw.records'"
        "::regclass"
    )
    with psycopg.connect(warehouse_url) as writer, ThreadPoolExecutor(1) as upgrading:
        writer.execute("LOCK TABLE stripe_raw.records IN ROW EXCLUSIVE MODE")
        upgrade = upgrading.submit(warehouse.upgrade)
        while sql.execute(waiting).fetchone() == (0,):
            assert not upgrade.done()
        writer.execute("DELETE FROM stripe_raw.customers")
        writer.commit()
        upgrade.result()
    assert "email" in [
        column.name
        for column in sql.execute("SELECT * FROM stripe_raw.customers").description or []
    ]


def test_an_interrupted_fill_goes_on(
    warehouse: Warehouse, writer: BatchWriter, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    observations = [observation({"id": f"cus_{n}"}, upstream_id=f"cus_{n}") for n in range(5)]
    writer.load(batch(*observations))
    monkeypatch.setattr("stripe_sync.warehouse.typed_tables.fill.PART_ROWS", 2)
    sql.execute("DELETE FROM stripe_raw.customers")
    sql.execute(
        "INSERT INTO stripe_raw.customers (id, _sync_id, _deleted, _updated_at, _seq)"
        " VALUES ('cus_without_record', %s, false, now(), 9)",
        [SYNC],
    )
    warehouse.typed_tables.restart([CUSTOMER])
    assert next(iter(warehouse.typed_tables.fill())) == (CUSTOMER, 2)
    assert list(warehouse.typed_tables.fill()) == [(CUSTOMER, 2), (CUSTOMER, 1), (CUSTOMER, 0)]
    assert [row["id"] for row in rows(sql, "customers")] == [f"cus_{n}" for n in range(5)]
