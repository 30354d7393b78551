from __future__ import annotations

from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from forked import processes
from integration.warehouse.processes import upgrade
from stripe_sync.errors import WarehouseError
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.connect import create_engine, parse_url
from stripe_sync.warehouse.schema import migrate
from stripe_sync.warehouse.typed_tables.columns import typed_tables


def test_the_migrations_create_the_tables_of_the_metadata(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)
    migrate.upgrade(engine)
    with engine.connect() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.check(config)
    engine.dispose()


def test_migrations_go_down_and_up_again(warehouse: Warehouse) -> None:
    with warehouse.engine.connect() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
        assert not sa.inspect(connection).get_table_names("stripe_raw")
    warehouse.upgrade()
    typed = {table.name for table in typed_tables()}
    found = set(sa.inspect(warehouse.engine).get_table_names("stripe_raw"))
    assert found == {"events", "records"} | typed


def test_functions_of_another_version_are_replaced(
    warehouse: Warehouse, sql: psycopg.Connection[Any]
) -> None:
    factor = "SELECT stripe_sync.pacing_factor(0.5, 0, 2)"
    sql.execute(
        "CREATE OR REPLACE FUNCTION stripe_sync.pacing_factor(factor float8, slowed_at float8,"
        " at float8) RETURNS float8 LANGUAGE sql RETURN 0"
    )
    sql.execute("UPDATE stripe_sync.sql_functions SET content_hash = 'of another version'")
    assert sql.execute(factor).fetchone() == (0.0,)
    warehouse.upgrade()
    assert sql.execute(factor).fetchone() == (0.6,)
    assert sql.execute("SELECT count(*) FROM stripe_sync.sql_functions").fetchone() == (1,)


def test_a_current_warehouse_is_recognised_by_one_query(warehouse: Warehouse) -> None:
    statements: list[str] = []
    sa.event.listen(
        warehouse.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: statements.append(statement),
    )
    warehouse.upgrade()
    assert len(statements) == 1


def test_no_statistics_of_payloads_are_gathered(
    warehouse: Warehouse, sql: psycopg.Connection[Any]
) -> None:
    found = sql.execute(
        "SELECT attrelid::regclass::text, attname FROM pg_attribute WHERE attstattarget = 0"
        " AND attrelid::regclass::text LIKE 'stripe_raw.%%' ORDER BY 1, 2"
    ).fetchall()
    assert found == [
        ("stripe_raw.events", "changes"),
        ("stripe_raw.events", "data"),
        ("stripe_raw.records", "payload"),
    ]


def test_processes_may_upgrade_at_the_same_time(empty_database_url: str) -> None:
    ours, theirs = processes.Pipe()
    started = [
        processes.Process(target=upgrade, args=(empty_database_url, theirs)) for _ in range(4)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * 4
    assert [ours.recv() for _ in started] == [[]] * 4


def test_tables_of_a_newer_version_are_left_alone(warehouse: Warehouse) -> None:
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("UPDATE stripe_sync.alembic_version SET version_num = '9999'"))
    with pytest.raises(WarehouseError, match=r"version 9999 .* upgrade the code"):
        warehouse.upgrade()


def test_a_role_that_may_not_create_schemas_gets_the_remedy(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as admin:
        role = f"role_{admin.info.dbname}"
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        try:
            url = parse_url(empty_database_url).set(
                drivername="postgresql", username=role, password="secret"
            )
            with (
                Warehouse(url.render_as_string(hide_password=False)) as warehouse,
                pytest.raises(WarehouseError, match="GRANT CREATE ON DATABASE") as caught,
            ):
                warehouse.upgrade()
            assert "secret" not in str(caught.value)
            for schema in ("stripe_sync", "stripe_raw"):
                admin.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {role}")
            with Warehouse(url.render_as_string(hide_password=False)) as warehouse:
                warehouse.upgrade()
                assert warehouse.syncs.all() == []
        finally:
            admin.execute(f"DROP OWNED BY {role} CASCADE")
            admin.execute(f"DROP ROLE {role}")


def test_tables_of_others_are_refused_before_anything_is_created(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA stripe_raw")
        connection.execute("CREATE TABLE stripe_raw.records (theirs text)")
        with (
            Warehouse(empty_database_url) as warehouse,
            pytest.raises(WarehouseError, match=r"stripe_raw\.records; nothing was changed"),
        ):
            warehouse.upgrade()
        found = connection.execute(
            "SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname LIKE 'stripe%' AND relkind = 'r'"
        ).fetchall()
    assert found == [("stripe_raw", "records")]
