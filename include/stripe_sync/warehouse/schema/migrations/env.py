"""Entry point of Alembic: runs the migrations over the connection that ``migrate`` passes in."""

from __future__ import annotations

from typing import Any

from alembic import context

from stripe_sync.warehouse.schema.migrate import VERSION_TABLE
from stripe_sync.warehouse.schema.tables import CONTROL_SCHEMA, metadata


def _ours(_object: Any, name: str | None, kind: str, reflected: bool, match: Any) -> bool:
    """Leave out of the comparison tables that only migrations define, such as ``pacing``."""
    return not (kind == "table" and reflected and match is None) and name != VERSION_TABLE


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_schema=CONTROL_SCHEMA,
    include_schemas=True,
    include_object=_ours,
)
with context.begin_transaction():
    context.run_migrations()
