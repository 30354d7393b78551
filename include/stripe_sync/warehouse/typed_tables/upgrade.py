"""Creates the typed tables, and extends them when a new version knows more fields."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from stripe_sync.warehouse.schema import tables
from stripe_sync.warehouse.typed_tables.columns import TypedColumn, TypedTable, quoted, typed_tables
from stripe_sync.warehouse.typed_tables.statements import (
    SCHEMA,
    add_column,
    create_function,
    create_index,
    create_table,
    index_name,
)

_state = tables.typed_tables

# A query that holds a lock for long must not make all others wait behind the upgrade.
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"
# As writers do, records first and typed tables then: the other way round both would deadlock.
_KEEP_WRITERS_OUT = f"LOCK TABLE {SCHEMA}.records IN SHARE ROW EXCLUSIVE MODE"

_COLUMNS = sa.text(f"""
SELECT relname, attname, format_type(atttypid, atttypmod)
    || CASE WHEN attcollation <> typcollation
        THEN ' COLLATE ' || quote_ident(collname) ELSE '' END
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
JOIN pg_type ON pg_type.oid = atttypid
LEFT JOIN pg_collation ON pg_collation.oid = attcollation
WHERE relnamespace = '{SCHEMA}'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
""")

_HAS_RECORDS = sa.text(f"""
SELECT EXISTS (SELECT FROM {SCHEMA}.records WHERE collection_id = :collection_id)
""")


@cache
def content_hash() -> str:
    """Hash of all that defines the typed tables: what creates and what writes them."""
    defined = (
        statement
        for table in typed_tables()
        for statement in (*create_table(table), create_function(table))
    )
    return hashlib.sha256("".join(defined).encode()).hexdigest()


def upgrade_typed_tables(connection: Connection) -> None:
    """Create what is missing; columns are appended, and filled later.

    Rows of records that are stored already are filled by the next maintenance, or by
    ``stripe-sync rebuild-types``; new versions of records have the new columns at once.
    """
    connection.execute(sa.text(_LOCK_TIMEOUT))
    connection.execute(sa.text(_KEEP_WRITERS_OUT))
    found = _columns(connection)
    known = connection.execute(sa.select(_state.c.collection_id, _state.c.function_hash))
    hashes = {row[0]: row[1] for row in known}
    for table in typed_tables():
        function = create_function(table)
        function_hash = hashlib.sha256(function.encode()).hexdigest()
        if hashes.get(table.collection_id) == function_hash:
            continue
        _upgrade_table(connection, table, found.get(table.name))
        connection.exec_driver_sql(function, execution_options={"no_parameters": True})
        _remember(connection, table, function_hash)


def _upgrade_table(
    connection: Connection, table: TypedTable, existing: Mapping[str, str] | None
) -> None:
    if existing is None:
        for statement in create_table(table):
            connection.exec_driver_sql(statement)
        return
    for column in table.columns:
        stored = existing.get(column.name)
        wanted = column.data_type.removesuffix(" NOT NULL")
        if stored is not None and stored == _spelled(wanted):
            continue
        if stored is not None:
            # Views select the old column until they are built again.
            for statement in _set_aside(table, column, existing):
                connection.exec_driver_sql(statement)
        connection.exec_driver_sql(add_column(table, column))
    for column_name in table.indexed:
        connection.exec_driver_sql(create_index(table, column_name))


def _spelled(data_type: str) -> str:
    """A type as ``format_type`` spells it."""
    return "timestamp with time zone" if data_type == "timestamptz" else data_type


def _set_aside(
    table: TypedTable, column: TypedColumn, existing: Mapping[str, str]
) -> tuple[str, str]:
    """The statements that rename a column whose type has changed, and drop its index."""
    number = 1
    while (name := f"{column.name}_before_{number}") in existing:
        number += 1
    target = f"{SCHEMA}.{quoted(table.name)}"
    return (
        f"ALTER TABLE {target} RENAME COLUMN {quoted(column.name)} TO {quoted(name)}",
        f"DROP INDEX IF EXISTS {SCHEMA}.{index_name(table, column.name)}",
    )


def _remember(connection: Connection, table: TypedTable, function_hash: str) -> None:
    has_records = connection.scalar(_HAS_RECORDS, {"collection_id": table.collection_id})
    connection.execute(sa.delete(_state).where(_state.c.collection_id == table.collection_id))
    connection.execute(
        sa.insert(_state).values(
            collection_id=table.collection_id,
            table_name=table.name,
            function_hash=function_hash,
            is_filled=not has_records,
        )
    )


def _columns(connection: Connection) -> dict[str, dict[str, str]]:
    """Type of each column, by table and column."""
    found: dict[str, dict[str, str]] = {}
    for row in connection.execute(_COLUMNS):
        found.setdefault(row[0], {})[row[1]] = row[2]
    return found
