"""Rights of the warehouse's role: tested at the start, named as the statements that grant them."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from stripe_sync.errors import WarehouseError
from stripe_sync.warehouse.connect import describe
from stripe_sync.warehouse.schema.tables import CONTROL_SCHEMA, RAW_SCHEMA

SCHEMAS = (CONTROL_SCHEMA, RAW_SCHEMA)

_WRITES = " AND ".join(
    f"has_table_privilege(c.oid, '{right}')" for right in ("SELECT", "INSERT", "UPDATE", "DELETE")
)
_NAMES = ", ".join(f"'{schema}'" for schema in SCHEMAS)

MAY_WRITE = f"""
    has_database_privilege(current_database(), 'TEMPORARY') AND (
        SELECT bool_and({_WRITES}) FROM pg_class AS c
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace IN (
            SELECT oid FROM pg_namespace WHERE nspname IN ({_NAMES})))
"""
"""SQL expression: whether the role may use and write all tables."""

_DATABASE = """
SELECT quote_ident(current_user) AS role, quote_ident(current_database()) AS database,
    has_database_privilege(current_database(), 'TEMPORARY') AS temporary,
    has_database_privilege(current_database(), 'CREATE') AS create
"""

# A table of somebody else's, or a schema that the role may not change, stops an upgrade.
_SCHEMAS = f"""
SELECT s.name, n.oid IS NOT NULL AS exists, has_schema_privilege(n.oid, 'USAGE') AS usage,
    has_schema_privilege(n.oid, 'CREATE') AS create, tables.writable,
    quote_ident(owner.rolname) AS foreign_owner, owner.rolsuper AS owner_is_superuser
FROM unnest(ARRAY[{_NAMES}]) AS s (name)
LEFT JOIN pg_namespace AS n ON n.nspname = s.name
CROSS JOIN LATERAL (
    SELECT coalesce(bool_and({_WRITES}), true) AS writable,
        min(c.relowner) FILTER (WHERE NOT pg_has_role(c.relowner, 'USAGE')) AS foreign_owner
    FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
) AS tables
LEFT JOIN pg_roles AS owner ON owner.oid = tables.foreign_owner
"""


_MAY_CREATE_IN = """
SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE')
FROM pg_namespace WHERE nspname = :schema
"""


def may_write(connection: Connection) -> bool:
    """Whether the role may use and write all tables."""
    return bool(connection.scalar(sa.text(f"SELECT {MAY_WRITE}")))


def check_write(connection: Connection) -> None:
    """Check the rights that every run needs.

    Raises:
        WarehouseError: One is missing; the message has the statements that grant all of them.
    """
    database = connection.execute(sa.text(_DATABASE)).one()
    grants = []
    if not database.temporary:
        grants.append(f"GRANT TEMPORARY ON DATABASE {database.database} TO {database.role}")
    for schema in connection.execute(sa.text(_SCHEMAS)):
        if schema.exists and not schema.usage:
            grants.append(f"GRANT USAGE ON SCHEMA {schema.name} TO {database.role}")
        if schema.exists and not schema.writable:
            grants.append(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "
                f"{schema.name} TO {database.role}"
            )
    _refuse(connection, "load", grants)


def check_upgrade(connection: Connection) -> None:
    """Check the rights to create or change tables.

    Raises:
        WarehouseError: One is missing; the message has the statements that grant all of them.
    """
    database = connection.execute(sa.text(_DATABASE)).one()
    grants = []
    for schema in connection.execute(sa.text(_SCHEMAS)):
        if not schema.exists and not database.create:
            grants.append(f"GRANT CREATE ON DATABASE {database.database} TO {database.role}")
        if schema.foreign_owner and schema.owner_is_superuser:
            grants.append(f"the upgrade, once, as {schema.foreign_owner}, who owns the tables")
        elif schema.foreign_owner:
            grants.append(f"GRANT {schema.foreign_owner} TO {database.role}")
        elif schema.exists and not schema.create:
            grants.append(f"GRANT USAGE, CREATE ON SCHEMA {schema.name} TO {database.role}")
    _refuse(connection, "create or upgrade its tables", grants)


def check_views(connection: Connection, schema: str) -> None:
    """Check the rights to create views.

    Args:
        connection: The warehouse.
        schema: The schema of the views.

    Raises:
        WarehouseError: One is missing; the message has the statement that grants it.
    """
    database = connection.execute(sa.text(_DATABASE)).one()
    create = connection.scalar(sa.text(_MAY_CREATE_IN), {"schema": schema})
    grants = []
    if create is None and not database.create:
        grants.append(f"GRANT CREATE ON DATABASE {database.database} TO {database.role}")
    if create is False:
        grants.append(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {database.role}")
    _refuse(connection, "create the views", grants)


def missing_schemas(connection: Connection) -> list[str]:
    """The schemas that are to be created; IF NOT EXISTS needs the right even where they exist."""
    return [schema.name for schema in connection.execute(sa.text(_SCHEMAS)) if not schema.exists]


def _refuse(connection: Connection, task: str, grants: Iterable[str]) -> None:
    """Raise if any right is missing."""
    statements = "; ".join(dict.fromkeys(grants))
    if statements:
        msg = (
            f"the role of the warehouse at {describe(connection.engine.url)} may not {task}; "
            f"let an administrator run: {statements}"
        )
        raise WarehouseError(msg)
