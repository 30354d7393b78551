from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from integration.warehouse.processes import processes, upgrade
from stripe_sync.errors import WarehouseError
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.connect import create_engine, parse_url
from stripe_sync.warehouse.schema import migrate


def test_the_migrations_make_the_tables_that_the_code_describes(empty_database_url: str) -> None:
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
    assert set(sa.inspect(warehouse.engine).get_table_names("stripe_raw")) == {"events", "records"}


def test_processes_that_start_at_once_all_find_the_tables(empty_database_url: str) -> None:
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


def test_a_role_that_may_not_create_schemas_is_told_what_to_do(empty_database_url: str) -> None:
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
