"""Upgrades the warehouse: migrations of its tables, its typed tables, its SQL functions.

Migrations run once each. The typed tables follow ``catalog/fields.json``. The SQL functions and
triggers (``functions/*.sql``) are repeatable: all of them are created or replaced whenever the
content of one of the files, or a typed table, has changed.
"""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, Engine

from stripe_sync.errors import WarehouseError
from stripe_sync.warehouse.connect import describe, explain
from stripe_sync.warehouse.locks import lock_key
from stripe_sync.warehouse.schema import rights
from stripe_sync.warehouse.schema.tables import CONTROL_SCHEMA, RAW_SCHEMA, metadata
from stripe_sync.warehouse.typed_tables.columns import typed_tables
from stripe_sync.warehouse.typed_tables.upgrade import content_hash, upgrade_typed_tables

logger = logging.getLogger(__name__)

VERSION_TABLE = "alembic_version"

_FOLDER = Path(__file__).parent
_VERSIONS = f"""
SELECT version_num, (SELECT content_hash FROM {CONTROL_SCHEMA}.sql_functions), {rights.MAY_WRITE}
FROM {CONTROL_SCHEMA}.{VERSION_TABLE}
"""
_EXISTING = """
SELECT name FROM unnest(CAST(:names AS text[])) AS n (name) WHERE to_regclass(name) IS NOT NULL
"""


def upgrade(engine: Engine) -> None:
    """Create or upgrade schemas, tables and functions; one query when they are current.

    Any number of processes may call it at once: one upgrades, the others wait for it.

    Raises:
        WarehouseError: The warehouse cannot be reached, its role lacks a right (the message has the
            GRANT), or its tables were made by a newer version of this code.
    """
    with explain(engine.url):
        with engine.connect() as connection:
            if _is_current(connection):
                return
        # One transaction: a pooler may run the next one in another session, without the lock.
        with engine.begin() as connection:
            rights.check_write(connection)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("migrate"))))
            _upgrade_locked(connection)


def _is_current(connection: Connection) -> bool:
    """Whether there is nothing to upgrade and no right is missing."""
    try:
        row = connection.execute(sa.text(_VERSIONS)).first()
    except sa.exc.ProgrammingError:  # no tables yet, those of another version, or no right
        return False
    return row is not None and tuple(row) == (newest_version(), _functions()[1], True)


def _upgrade_locked(connection: Connection) -> None:
    found = _table_version(connection)
    if found is not None and found not in _known_versions():
        msg = (
            f"the warehouse at {describe(connection.engine.url)} has version {found} of the tables,"
            f" which this code does not know (it knows up to {newest_version()});"
            " upgrade the code"
        )
        raise WarehouseError(msg)
    if found == newest_version() and _is_current(connection):
        return
    if found is None:
        _refuse_foreign_tables(connection)
    logger.info("Upgrading the warehouse from version %s to %s", found or "none", newest_version())
    rights.check_upgrade(connection)
    for schema in rights.missing_schemas(connection):
        connection.execute(sa.schema.CreateSchema(schema))
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    upgrade_typed_tables(connection)
    _replace_functions(connection)


def _refuse_foreign_tables(connection: Connection) -> None:
    """Fail before anything is created if others have relations with the names of our tables."""
    names = [*metadata.tables, *(f"{RAW_SCHEMA}.{table.name}" for table in typed_tables())]
    found = connection.scalars(sa.text(_EXISTING), {"names": names}).all()
    if found:
        msg = (
            f"the warehouse at {describe(connection.engine.url)} has relations that this product "
            f"did not make, under the names of its tables: {', '.join(found)}; nothing was changed."
            " Rename them, or use another database"
        )
        raise WarehouseError(msg)


def _replace_functions(connection: Connection) -> None:
    script, content_hash = _functions()
    # Without parameters the driver takes several statements, and a % for itself.
    connection.exec_driver_sql(script, execution_options={"no_parameters": True})
    hashes = sa.table("sql_functions", sa.column("content_hash"), schema=CONTROL_SCHEMA)
    connection.execute(sa.delete(hashes))
    connection.execute(sa.insert(hashes).values(content_hash=content_hash))


def _table_version(connection: Connection) -> str | None:
    table = f"{CONTROL_SCHEMA}.{VERSION_TABLE}"
    if connection.scalar(sa.select(sa.func.to_regclass(table))) is None:
        return None
    version: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {table}"))
    return version


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER / "migrations"))
    return config


@cache
def newest_version() -> str | None:
    """The version of the tables that this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


@cache
def _known_versions() -> frozenset[str]:
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return frozenset(script.revision for script in scripts)


@cache
def _functions() -> tuple[str, str]:
    """The SQL of all functions, and the hash of it and of the typed tables."""
    files = sorted((_FOLDER / "functions").glob("*.sql"))
    script = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return script, hashlib.sha256((script + content_hash()).encode()).hexdigest()
