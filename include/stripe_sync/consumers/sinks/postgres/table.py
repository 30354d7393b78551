"""The tables in the target: their columns, and the statements that make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.sql import SQL, Composable, Composed, Identifier

from stripe_sync.consumers.sinks.postgres.columns import COLUMNS
from stripe_sync.consumers.sinks.postgres.settings import CURSORS, PostgresSettings, TypedColumn
from stripe_sync.streams.selection import Stream

_NULLABLE = {"payload_exact", "data_exact", "upsert_opts", "changes"}
_OBJECT = {Stream.RECORDS: "payload", Stream.EVENTS: "data"}

_TYPES = {"timestamptz": "timestamp with time zone"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the sink writes.

    Attributes:
        schema: Its schema.
        name: Its name.
        columns: Types by name.
        key: Columns of its primary key.
        nullable: Columns that may be null.
    """

    schema: str
    name: str
    columns: Mapping[str, str]
    key: Sequence[str]
    nullable: frozenset[str] = frozenset()

    @property
    def identifier(self) -> Identifier:
        """Its name in SQL."""
        return Identifier(self.schema, self.name)

    def names(self, prefix: str = "") -> Composed:
        """Its columns in SQL, each with a prefix."""
        return SQL(", ").join(SQL(prefix) + Identifier(name) for name in self.columns)

    def definitions(self) -> Composed:
        """Its columns with their types in SQL."""
        return SQL(", ").join(
            SQL("{} {}").format(Identifier(name), SQL(kind)) for name, kind in self.columns.items()
        )

    def create(self) -> Composed:
        """The statement that makes it."""
        parts: list[Composable] = [self._definition(name) for name in self.columns]
        key = SQL(", ").join(map(Identifier, self.key))
        parts.append(SQL("PRIMARY KEY ({})").format(key))
        return SQL("CREATE TABLE {} ({})").format(self.identifier, SQL(", ").join(parts))

    def add(self, column: str) -> Composed:
        """The statement that adds a column, null in the rows that are there."""
        return SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
            self.identifier, Identifier(column), SQL(self.columns[column])
        )

    def _definition(self, column: str) -> Composed:
        null = SQL("") if column in self.nullable else SQL(" NOT NULL")
        return SQL("{} {}{}").format(Identifier(column), SQL(self.columns[column]), null)


def cursors_table(schema: str) -> Table:
    """The table with a row for each consumer and table.

    ``positions`` has the stream position of each sync; ``last_batch`` names the transaction that
    wrote last; ``epoch`` grows with each process that begins to deliver.
    """
    columns = {
        "consumer": "text",
        "table_name": "text",
        "positions": "jsonb",
        "last_batch": "uuid",
        "epoch": "bigint",
        "updated_at": "timestamp with time zone",
    }
    return Table(schema, CURSORS, columns, ("consumer", "table_name"))


@dataclass(frozen=True, slots=True)
class Target:
    """The tables of a consumer.

    Attributes:
        stream: What its rows are.
        rows: The table with the rows.
        cursors: The table with the cursors.
        typed: Its typed columns by name.
    """

    stream: Stream
    rows: Table
    cursors: Table
    typed: Mapping[str, TypedColumn]

    @property
    def object_column(self) -> str:
        """The column with the object."""
        return _OBJECT[self.stream]

    def insert(self) -> Composed:
        """The statement that writes the rows of a JSON array, which is its one parameter."""
        names, table = self.rows.names(), self.rows.identifier
        source = SQL(
            "FROM ROWS FROM (json_to_recordset(%s::json) AS ({definitions}))"
            " WITH ORDINALITY AS new ({names}, stripe_sync_ordinal)"
        ).format(definitions=self.rows.definitions(), names=names)
        changes = SQL(", ").join(
            SQL("{name} = excluded.{name}").format(name=Identifier(name))
            for name in self.rows.columns
            if name != "id"
        )
        if self.stream == Stream.EVENTS:
            # A sync that was made anew gives some of its changes the ids of older ones.
            return SQL(
                "INSERT INTO {table} AS old ({names}) SELECT {names} FROM ("
                "SELECT DISTINCT ON (id) * {source} ORDER BY id, created_at DESC"
                ") AS new ORDER BY stripe_sync_ordinal"
                " ON CONFLICT (id) DO UPDATE SET {changes}"
                " WHERE old.created_at < excluded.created_at"
            ).format(table=table, names=names, source=source, changes=changes)
        # A sync that was made anew counts updated_idx from 1 again, and a warehouse that has lost
        # commits goes on from an earlier one: what was stored later counts. The same version is
        # written once more, so that a replay mends rows and fills new columns.
        return SQL(
            "INSERT INTO {table} AS old ({names})"
            " SELECT DISTINCT ON (id) {names} {source}"
            " ORDER BY id, inserted_at DESC, updated_idx DESC, stripe_sync_ordinal DESC"
            " ON CONFLICT (id) DO UPDATE SET {changes}"
            " WHERE (old.inserted_at, old.updated_idx)"
            " <= (excluded.inserted_at, excluded.updated_idx)"
            " OR old.updated_at < excluded.updated_at"
        ).format(table=table, names=names, source=source, changes=changes)


def target_of(settings: PostgresSettings, stream: Stream) -> Target:
    """The tables of a consumer."""
    columns = dict(COLUMNS[stream])
    for name, column in settings.typed_columns.items():
        columns[name] = _TYPES.get(column.type, column.type)
    rows = Table(
        settings.schema_name,
        settings.table or stream.value,
        columns,
        ("id",),
        frozenset({*_NULLABLE, *settings.typed_columns}),
    )
    return Target(stream, rows, cursors_table(settings.schema_name), settings.typed_columns)
