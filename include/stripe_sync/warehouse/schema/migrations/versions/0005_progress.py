"""How fast a backfill goes and when it will be done."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    for name, kind, comment in (
        ("objects_per_second", sa.Numeric(12, 1), "Of the last run"),
        ("eta", sa.TIMESTAMP(timezone=True), "When the run will be done, where it can be known"),
    ):
        column = sa.Column(name, kind, comment=comment)
        op.add_column("collection_state", column, schema="stripe_sync")


def downgrade() -> None:
    for name in ("objects_per_second", "eta"):
        op.drop_column("collection_state", name, schema="stripe_sync")
