"""Makes the tables of a target, or finds out what an administrator must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier

from stripe_sync.consumers.sink import TargetError
from stripe_sync.consumers.sinks.postgres.table import Table, Target

_SERVER = """
SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
    current_user, current_database(),
    current_setting('transaction_read_only')::boolean,
    has_database_privilege(current_database(), 'CREATE')
"""
_SCHEMA = """
SELECT has_schema_privilege(oid, 'USAGE'), has_schema_privilege(oid, 'CREATE')
FROM pg_namespace WHERE nspname = %s
"""
# By the catalogue: functions that take a name fail without rights on its schema.
_TABLE = """
SELECT c.oid, c.relkind::text, has_table_privilege(c.oid, 'SELECT')
    AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE'),
    c.relpersistence = 'u'
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod), attgenerated <> '',
    attnotnull AND NOT atthasdef AND attidentity = ''
FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_UNIQUE = """
SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey[:i.indnkeyatts - 1])
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid, i.indnkeyatts HAVING count(*) = i.indnkeyatts
"""
# Two processes that make the tables at once; held to the end of the transaction.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('stripe_sync'), hashtext(%s))"

_TABLE_KINDS = ("r", "p")
_OLDEST = 12_00_00


@dataclass(frozen=True, slots=True)
class _Found:
    """A table that is there."""

    table: Table
    oid: int
    kind: str
    writable: bool
    is_unlogged: bool


async def prepare(connection: psycopg.AsyncConnection[Any], target: Target, place: str) -> bool:
    """Make sure that the target can take rows; returns whether the table of the rows is new.

    Run it in a transaction.

    Args:
        connection: To the target.
        target: The tables.
        place: The target in messages.

    Raises:
        TargetError: It cannot; the message has the statements that an administrator must run.
    """
    return await _Preparation(connection, target, place).run()


class _Preparation:
    def __init__(
        self, connection: psycopg.AsyncConnection[Any], target: Target, place: str
    ) -> None:
        self._connection = connection
        self._target = target
        self._place = place
        self._schema = target.rows.schema
        self._role = self._database = ""
        self._may_create_schema = False

    async def run(self) -> bool:
        await self._check_server()
        await self._rows(_LOCK, self._schema)
        schemas = await self._rows(_SCHEMA, self._schema)
        may_use, may_create = schemas[0] if schemas else (self._may_create_schema,) * 2
        tables = (self._target.rows, self._target.cursors)
        found = [each for table in tables if (each := await self._find(table))]
        missing = [table for table in tables if table not in [each.table for each in found]]
        creations: list[Composed] = [table.create() for table in missing]
        if not schemas:
            creations.insert(0, SQL("CREATE SCHEMA {}").format(Identifier(self._schema)))
        if not may_use or (missing and not may_create) or not all(f.writable for f in found):
            self._refuse_rights(creations)
        for each in found:
            await self._check(each)
        for statement in creations:
            await self._connection.execute(statement)
        return self._target.rows in missing

    async def _check_server(self) -> None:
        (row,) = await self._rows(_SERVER)
        version, encoding, self._role, self._database, read_only, self._may_create_schema = row
        if version < _OLDEST:
            message = f"its version is {version // 10_000}: it must be {_OLDEST // 10_000} or newer"
            raise self._error(message)
        if read_only:
            message = "it is a read replica, or read-only: let the connection name the primary"
            raise self._error(message)
        if encoding != "UTF8":
            message = f"its encoding is {encoding}: create a database with ENCODING 'UTF8'"
            raise self._error(message)

    async def _find(self, table: Table) -> _Found | None:
        rows = await self._rows(_TABLE, table.schema, table.name)
        return _Found(table, *rows[0]) if rows else None

    def _refuse_rights(self, creations: Sequence[Composable]) -> None:
        """Raise, with all that the role lacks."""
        role, schema = Identifier(self._role), Identifier(self._schema)
        tables = SQL(", ").join(
            each.identifier for each in (self._target.rows, self._target.cursors)
        )
        statements = [
            *creations,
            SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role),
            SQL("GRANT SELECT, INSERT, UPDATE ON {} TO {}").format(tables, role),
        ]
        message = (
            f"role {self._role} may not create or write its tables; let an administrator run, in"
            f" database {self._database}: {self._text(statements)}"
        )
        raise self._error(message)

    async def _check(self, found: _Found) -> None:
        """Compare a table with what it must be; nothing of it is ever changed."""
        table = found.table
        name = f"{table.schema}.{table.name}"
        if found.kind not in _TABLE_KINDS:
            message = f"{name} is no table: choose another schema or table in the settings"
            raise self._error(message)
        if found.is_unlogged:
            logged = SQL("ALTER TABLE {} SET LOGGED").format(table.identifier)
            message = f"{name} is unlogged, a crash would empty it; run: {self._text([logged])}"
            raise self._error(message)
        columns = {row[0]: row[1:] for row in await self._rows(_COLUMNS, found.oid)}
        if missing := [table.add(column) for column in table.columns if column not in columns]:
            message = (
                f"columns of {name} are missing; run, or choose another table:"
                f" {self._text(missing)}"
            )
            raise self._error(message)
        for column, (kind, is_generated, needs_value) in columns.items():
            wrong = _wrong(table.columns.get(column), kind, is_generated, needs_value)
            if wrong:
                message = f"column {column} of {name} {wrong}"
                raise self._error(message)
        if [sorted(table.key)] not in [list(row) for row in await self._rows(_UNIQUE, found.oid)]:
            key = SQL(", ").join(map(Identifier, table.key))
            add = SQL("ALTER TABLE {} ADD UNIQUE ({})").format(table.identifier, key)
            message = f"{name} lacks its unique key; run: {self._text([add])}"
            raise self._error(message)

    def _text(self, statements: Sequence[Composable]) -> str:
        return "; ".join(statement.as_string(self._connection) for statement in statements)

    def _error(self, message: str) -> TargetError:
        return TargetError(f"PostgreSQL at {self._place}: {message}")

    async def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return await (await self._connection.execute(query, values)).fetchall()


def _wrong(wanted: str | None, kind: str, is_generated: bool, needs_value: bool) -> str | None:
    """What is wrong with a column; one that is not ours must do without a value."""
    if wanted is None:
        if needs_value and not is_generated:
            return "is not ours and takes no null: give it a default"
        return None
    if kind != wanted:
        return f"has type {kind} instead of {wanted}: change it, or choose another table"
    return "is generated: it must take values" if is_generated else None
