"""Bringing the warehouse's tables to the version that this code needs."""

from __future__ import annotations

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
from stripe_sync.warehouse.schema.tables import CONTROL_SCHEMA, RAW_SCHEMA

logger = logging.getLogger(__name__)

VERSION_TABLE = "alembic_version"


def upgrade(engine: Engine) -> None:
    """Create or upgrade schemas and tables; does nothing when they are current.

    Any number of processes may call it at once: one works, the others wait for it.

    Raises:
        WarehouseError: The warehouse cannot be reached, its role may not create the schemas, or
            its tables were made by a newer version of this code.
    """
    with explain(engine.url), engine.connect() as connection:
        if _current(connection) == newest_version():
            return
        # Session lock: migrations may commit on their way.
        key = lock_key("migrate")
        connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
        connection.commit()
        try:
            _upgrade_locked(connection)
        finally:
            connection.rollback()
            connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
            connection.commit()


def _upgrade_locked(connection: Connection) -> None:
    found = _current(connection)
    if found == newest_version():
        return
    if found is not None and found not in _known():
        msg = (
            f"the warehouse at {describe(connection.engine.url)} has version {found} of the tables,"
            f" which this code does not know (it knows up to {newest_version()});"
            " upgrade the code"
        )
        raise WarehouseError(msg)
    logger.info("Upgrading the warehouse from version %s to %s", found or "none", newest_version())
    _create_schemas(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()


def _create_schemas(connection: Connection) -> None:
    present = sa.select(sa.text("nspname")).select_from(sa.text("pg_namespace"))
    names = set(connection.scalars(present))
    try:
        # IF NOT EXISTS asks for the right to create even where there is nothing to create.
        for schema in (CONTROL_SCHEMA, RAW_SCHEMA):
            if schema not in names:
                connection.execute(sa.schema.CreateSchema(schema))
    except sa.exc.ProgrammingError as error:
        role = connection.engine.url.username or "the warehouse's role"
        database = connection.engine.url.database
        msg = (
            f"{role} may not create schemas in database {database}; grant it with "
            f"GRANT CREATE ON DATABASE {database} TO {role}, or let an administrator create "
            f"the schemas {CONTROL_SCHEMA} and {RAW_SCHEMA} owned by that role"
        )
        raise WarehouseError(msg) from error
    connection.commit()


def _current(connection: Connection) -> str | None:
    table = f"{CONTROL_SCHEMA}.{VERSION_TABLE}"
    if connection.scalar(sa.select(sa.func.to_regclass(table))) is None:
        return None
    version: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {table}"))
    return version


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@cache
def newest_version() -> str | None:
    """The version of the tables that this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


@cache
def _known() -> frozenset[str]:
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return frozenset(script.revision for script in scripts)
