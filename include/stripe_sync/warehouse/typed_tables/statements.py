"""The SQL that creates a typed table, extends it, and fills it."""

from __future__ import annotations

from collections.abc import Iterator

from stripe_sync.warehouse.typed_tables.columns import TypedColumn, TypedTable, quoted

SCHEMA = "stripe_raw"


def create_table(table: TypedTable) -> Iterator[str]:
    """The statements that create a typed table, without its function."""
    columns = [f"{quoted(column.name)} {column.data_type}" for column in table.columns]
    # The id comes first: people look objects up by it alone, and PostgreSQL before version 18
    # cannot skip a leading column.
    columns.append(f"PRIMARY KEY ({quoted(table.key)}, _sync_id)")
    name = f"{SCHEMA}.{quoted(table.name)}"
    yield f"CREATE TABLE {name} ({', '.join(columns)})"
    yield f"COMMENT ON TABLE {name} IS 'Fields of {table.collection_id}, one row per record'"
    for column in table.indexed:
        yield create_index(table, column)


def index_name(table: TypedTable, column: str) -> str:
    """Name of the index of a column, in quotes."""
    return quoted(f"{table.name}_{column}")


def create_index(table: TypedTable, column: str) -> str:
    """The statement that creates the index of a column, where there is none."""
    # Most objects have no invoice or payout: NULLs take no room in the index.
    where = "" if column.startswith("_") else f" WHERE {quoted(column)} IS NOT NULL"
    target = f"{SCHEMA}.{quoted(table.name)} ({quoted(column)})"
    return f"CREATE INDEX IF NOT EXISTS {index_name(table, column)} ON {target}{where}"


def add_column(table: TypedTable, column: TypedColumn) -> str:
    """The statement that adds a column, empty; readers wait for a moment only."""
    target = f"{SCHEMA}.{quoted(table.name)}"
    return f"ALTER TABLE {target} ADD COLUMN {quoted(column.name)} {column.data_type}"


def function_name(collection_id: str) -> str:
    """The function that writes the rows of a collection; ``typed_tables.sql`` calls it."""
    return "write_typed_" + collection_id.removeprefix("stripe:").replace(".", "_")


def create_function(table: TypedTable) -> str:
    """The statement that creates the function that writes rows of a typed table.

    It takes a sync, keys of records, and whether these records are new. Static SQL in a function
    is planned once a session; the plan of a wide table takes milliseconds.
    """
    names = ", ".join(quoted(column.name) for column in table.columns)
    values = ",\n        ".join(column.expression for column in table.columns)
    payload = ", ".join(f"{quoted(field)} jsonb" for field in table.payload_fields)
    target, key = f"{SCHEMA}.{quoted(table.name)}", quoted(table.key)
    # LIMIT makes the planner use one index probe per key, whatever its estimate of the size.
    return f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.{function_name(table.collection_id)}(
    sync uuid, keys text[], are_new boolean
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF NOT are_new THEN
        DELETE FROM {target} WHERE ctid = ANY (ARRAY(
            SELECT t.ctid FROM unnest(keys) AS k (key) CROSS JOIN LATERAL (
                SELECT ctid FROM {target}
                WHERE {key} = k.key COLLATE "C" AND _sync_id = sync
                LIMIT 1
            ) AS t));
    END IF;
    INSERT INTO {target} ({names})
    SELECT {values}
    FROM unnest(keys) AS k (key)
    CROSS JOIN LATERAL (
        SELECT * FROM {SCHEMA}.records
        WHERE collection_id = '{table.collection_id}' AND sync_id = sync
            AND upstream_id = k.key COLLATE "C"
        LIMIT 1
    ) AS r
    CROSS JOIN LATERAL jsonb_to_record(r.payload) AS p ({payload});
END
$function$
"""
