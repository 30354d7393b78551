"""No statistics of payloads: no query filters by one as a whole, and they are costly to gather."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WIDE = (("records", "payload"), ("events", "data"), ("events", "changes"))


def upgrade() -> None:
    for table, column in _WIDE:
        op.execute(f"ALTER TABLE stripe_raw.{table} ALTER COLUMN {column} SET STATISTICS 0")


def downgrade() -> None:
    for table, column in _WIDE:
        op.execute(f"ALTER TABLE stripe_raw.{table} ALTER COLUMN {column} SET STATISTICS -1")
