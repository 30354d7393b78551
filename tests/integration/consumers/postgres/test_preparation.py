"""What a postgres consumer makes in its target, and what it says where it may not."""

from __future__ import annotations

import asyncio
import re
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from integration.consumers.postgres.target_database import (
    BEGINNING,
    TargetDatabase,
    batch,
    cursor,
    event,
    record,
)
from pgbouncer import pooled, running_pgbouncer
from stripe_stack.database.pgserver import PostgresServer, get_server
from stripe_sync import ConfigurationError
from stripe_sync.consumers.sink import Checkpoint, TargetError
from stripe_sync.libpq import connection_parameters, render_warehouse_url

SECRET = "pass word"


@pytest.fixture
def guest(target: TargetDatabase) -> Iterator[TargetDatabase]:
    """The target for a role that may only connect."""
    role = f"guest_{connection_parameters(target.url)['dbname']}"
    target.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'")
    target.sql(f"REVOKE TEMPORARY ON DATABASE {role.removeprefix('guest_')} FROM PUBLIC")
    parameters = connection_parameters(target.url) | {"user": role, "password": SECRET}
    yield TargetDatabase(render_warehouse_url(parameters))
    target.sql(f"DROP OWNED BY {role}")
    target.sql(f"DROP ROLE {role}")


def refused(target: TargetDatabase, **settings: object) -> str:
    with pytest.raises(TargetError) as found:
        target.deliver(**settings)
    return str(found.value)


def statements_of(message: str) -> str:
    return re.split(r"in database \w+: ", message)[1]


@pytest.mark.parametrize("stream", ["records", "events"])
def test_a_role_without_rights_gets_the_statements_to_run(
    target: TargetDatabase, guest: TargetDatabase, stream: str
) -> None:
    message = refused(guest, stream=stream)
    assert "may not create or write its tables" in message
    target.sql(statements_of(message))
    item = record(1) if stream == "records" else event(1)
    assert not guest.deliver(batch(item), stream=stream).outcomes[0].failed
    assert target.names(f"stripe.{stream}") == ["cus_1"]


def test_a_role_that_may_not_write_gets_the_grants(
    target: TargetDatabase, guest: TargetDatabase
) -> None:
    target.deliver()
    message = refused(guest)
    assert "CREATE" not in message
    target.sql(statements_of(message))
    guest.deliver(batch(record(1)), epoch=2)
    target.sql(f"REVOKE UPDATE ON stripe.records FROM {guest.connection().login}")
    assert "GRANT SELECT, INSERT, UPDATE ON" in refused(guest, epoch=3)


def test_row_level_security_is_named_where_it_refuses(
    target: TargetDatabase, guest: TargetDatabase
) -> None:
    target.deliver()
    target.sql(statements_of(refused(guest)))
    target.sql("ALTER TABLE stripe.records ENABLE ROW LEVEL SECURITY")
    with pytest.raises(TargetError, match="row-level security refuses: give the role a policy"):
        guest.deliver(batch(record(1)), epoch=2)
    login = guest.connection().login
    target.sql(f"CREATE POLICY every ON stripe.records TO {login} USING (true)")
    guest.deliver(batch(record(1)), epoch=3)
    assert target.names() == ["cus_1"]


def test_a_role_that_may_create_a_schema_makes_it(
    target: TargetDatabase, guest: TargetDatabase
) -> None:
    schema, role = guest.connection().schema, guest.connection().login
    target.sql(f"GRANT CREATE ON DATABASE {schema} TO {role}")
    guest.deliver(batch(record(1)), schema="Mine", table="Customers")
    assert target.names('"Mine"."Customers"') == ["cus_1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DROP COLUMN payload_hash", "columns of stripe.records are missing; run.*payload_hash"),
        ("ALTER COLUMN seq TYPE text", "column seq of stripe.records has type text instead of"),
        (
            "ADD COLUMN team text NOT NULL DEFAULT 'x'; ALTER TABLE stripe.records"
            " ALTER team DROP DEFAULT",
            "column team of stripe.records is not ours",
        ),
        ("DROP CONSTRAINT records_pkey", "lacks its unique key"),
    ],
)
def test_a_changed_table_is_named(target: TargetDatabase, change: str, message: str) -> None:
    target.deliver(batch(record(1)))
    target.sql(f"ALTER TABLE stripe.records {change}")
    text = refused(target, epoch=2)
    assert re.search(message, text)
    if "run" in text:
        target.sql(text.rpartition(": ")[2])
        target.deliver(batch(record(2)), epoch=3)
        assert target.names() == ["cus_1", "cus_2"]


def test_columns_of_the_user_stay(target: TargetDatabase) -> None:
    target.deliver()
    target.sql(
        """ALTER TABLE stripe.records ADD COLUMN team text NOT NULL DEFAULT 'us',
        ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY, ADD COLUMN note text,
        ADD COLUMN twice bigint NOT NULL GENERATED ALWAYS AS (2 * seq) STORED"""
    )
    target.deliver(batch(record(1)), epoch=2)
    target.sql("UPDATE stripe.records SET note = 'kept'")
    target.deliver(batch(record(1, idx=2, seq=5), start=1), epoch=3)
    assert target.sql("SELECT team, note, twice FROM stripe.records") == [("us", "kept", 10)]


def test_a_typed_column_of_an_older_table_is_asked_for_and_filled_by_a_replay(
    target: TargetDatabase,
) -> None:
    target.deliver(batch(record(1)))
    typed = {"n": {"path": "n", "type": "bigint"}}
    message = refused(target, epoch=2, typed_columns=typed)
    statement = 'ALTER TABLE "stripe"."records" ADD COLUMN "n" bigint'
    assert message.endswith(f": {statement}")
    target.sql(statement)
    target.deliver(batch(record(1)), epoch=3, typed_columns=typed)
    assert target.sql("SELECT n FROM stripe.records") == [(1,)]


def test_a_view_is_no_target(target: TargetDatabase) -> None:
    target.sql("CREATE SCHEMA stripe; CREATE VIEW stripe.records AS SELECT 1 AS id")
    assert "stripe.records is no table: choose another schema or table" in refused(target)


def test_a_table_that_a_crash_empties_is_no_target(target: TargetDatabase) -> None:
    target.deliver(batch(record(1)))
    target.sql("ALTER TABLE stripe.records SET UNLOGGED")
    statement = 'ALTER TABLE "stripe"."records" SET LOGGED'
    assert refused(target, epoch=2).endswith(
        f"is unlogged, a crash would empty it; run: {statement}"
    )
    target.sql(statement)
    target.deliver(batch(record(2)), epoch=3)
    assert target.names() == ["cus_1", "cus_2"]


def test_a_partitioned_table_is_one(target: TargetDatabase) -> None:
    target.deliver(table="pattern")
    target.sql(
        "CREATE TABLE stripe.records (LIKE stripe.pattern INCLUDING ALL) PARTITION BY HASH (id)"
    )
    for part in range(2):
        target.sql(
            f"CREATE TABLE stripe.part_{part} PARTITION OF stripe.records"
            f" FOR VALUES WITH (MODULUS 2, REMAINDER {part})"
        )
    target.deliver(batch(record(1), record(2)))
    assert target.names() == ["cus_1", "cus_2"]


def test_a_read_only_target_is_named(target: TargetDatabase) -> None:
    target.sql(
        f"ALTER DATABASE {target.connection().schema} SET default_transaction_read_only = on"
    )
    assert "read replica" in refused(target)


def test_another_encoding_is_named(postgres_url: str) -> None:
    name = "wh_latin"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
        )
        try:
            parameters = connection_parameters(postgres_url) | {"dbname": name}
            other = TargetDatabase(render_warehouse_url(parameters))
            assert "its encoding is LATIN1" in refused(other)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_processes_that_begin_at_once_make_one_table(target: TargetDatabase) -> None:
    async def use() -> list[object]:
        sinks = [target.sink(stream) for stream in ("records", "events") for _ in range(4)]
        opened = await asyncio.gather(*(sink.open(BEGINNING) for sink in sinks))
        await asyncio.gather(*(sink.close() for sink in sinks))
        return list(opened)

    assert asyncio.run(use()) == [BEGINNING] * 8


def test_a_target_behind_a_transaction_pooler_is_one(target: TargetDatabase) -> None:
    with running_pgbouncer(target.url) as folder:
        behind = TargetDatabase(pooled(target.url, folder))
        behind.deliver(batch(record(1)), batch(record(1, idx=2, seq=2), record(3), start=1))
        behind.deliver(batch(event(1)), batch(event(2), start=1), stream="events")
        assert target.names() == ["cus_1", "cus_3"]
        assert target.names("stripe.events") == ["cus_1", "cus_2"]
        options = behind.connection(options="-c work_mem=1MB")
        with pytest.raises(TargetError, match=r"the pooler at .* refuses to connect.*options"):
            asyncio.run(behind.sink(connection=options).open(BEGINNING))


def test_a_target_that_is_down_is_named_without_the_password(target: TargetDatabase) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        connection = replace(
            target.connection(), host="127.0.0.1", port=closed.getsockname()[1], password=SECRET
        )
        with pytest.raises(TargetError, match=f"127.0.0.1:{connection.port}/") as found:
            asyncio.run(target.sink(connection=connection).open(BEGINNING))
        assert SECRET not in str(found.value)


def test_a_target_that_never_answers_is_given_up(target: TargetDatabase) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        connection = replace(
            target.connection(connect_timeout=2), host="127.0.0.1", port=silent.getsockname()[1]
        )
        with pytest.raises(TargetError, match="timeout"):
            asyncio.run(target.sink(connection=connection).open(BEGINNING))


def test_a_database_that_is_missing_is_named_without_the_password(guest: TargetDatabase) -> None:
    connection = replace(guest.connection(), schema="nowhere")
    with pytest.raises(TargetError, match="nowhere") as found:
        asyncio.run(guest.sink(connection=connection).open(BEGINNING))
    assert SECRET not in str(found.value)
    assert SECRET not in repr(connection)


def test_the_host_may_be_an_extra(target: TargetDatabase) -> None:
    connection = target.connection(host=target.connection().host, sslmode="prefer", cursor="dict")
    sink = target.sink(connection=replace(connection, host=None))
    target.deliver(batch(record(1)), sink=sink)
    assert target.names() == ["cus_1"]


def test_what_is_no_connection_to_postgresql_is_refused(target: TargetDatabase) -> None:
    with pytest.raises(ConfigurationError, match="has type 'kafka', not 'postgres'"):
        target.sink(connection=replace(target.connection(), type="kafka"))
    with pytest.raises(ConfigurationError, match=r"'sslmod' .did you mean 'sslmode'"):
        target.sink(connection=target.connection(sslmod="require"))


def test_a_server_that_is_restarted_is_used_again() -> None:
    # Unix socket paths are limited to about 100 bytes, which pytest's own folders exceed.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = get_server(folder, cleanup_mode="stop")
        try:
            asyncio.run(_through_a_restart(TargetDatabase(server.get_uri()), server))
        finally:
            server.cleanup()


async def _through_a_restart(target: TargetDatabase, server: PostgresServer) -> None:
    sink = target.sink()
    await sink.open(BEGINNING)
    await sink.deliver(batch(record(1)))
    checkpoint = Checkpoint(cursor(1), sink.position())
    server.stop()
    with pytest.raises(TargetError, match="cannot reach PostgreSQL"):
        await sink.deliver(batch(record(2), start=1))
    with pytest.raises(TargetError, match="cannot reach PostgreSQL"):
        await sink.open(checkpoint)
    server.start()
    assert (await sink.open(checkpoint)).cursor == cursor(1)
    await sink.deliver(batch(record(2), start=1))
    await sink.close()
    assert target.names() == ["cus_1", "cus_2"]


def test_a_locked_table_is_named_and_nothing_of_the_batch_is_written(
    target: TargetDatabase,
) -> None:
    target.deliver()
    with psycopg.connect(target.url) as connection:
        connection.execute("LOCK TABLE stripe.records")
        with pytest.raises(TargetError, match="somebody has locked the table"):
            target.deliver(batch(record(1)), epoch=2)
    assert target.names() == []


def test_a_delivery_that_is_cancelled_ends_at_once(target: TargetDatabase) -> None:
    async def use(connection: psycopg.Connection[Any]) -> None:
        sink = target.sink(epoch=2)
        await sink.open(BEGINNING)
        connection.execute("LOCK TABLE stripe.records")
        task = asyncio.create_task(sink.deliver(batch(record(1))))
        while not target.sql("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TargetError, match="was lost"):
            await sink.deliver(batch(record(1)))

    target.deliver()
    with psycopg.connect(target.url) as connection:
        asyncio.run(use(connection))
        connection.rollback()
    assert target.names() == []
