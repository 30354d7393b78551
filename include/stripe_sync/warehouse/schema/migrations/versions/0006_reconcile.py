"""What reading a collection again found."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "reconcile_state",
        sa.Column(
            "sync_id",
            pg.UUID,
            sa.ForeignKey("stripe_sync.syncs.id", ondelete="CASCADE"),
            primary_key=True,
            comment="The sync",
        ),
        sa.Column(
            "collection_id", pg.TEXT(collation="C"), primary_key=True, comment="stripe:customer"
        ),
        sa.Column(
            "window_days",
            sa.Integer,
            primary_key=True,
            autoincrement=False,
            comment="Days looked back; 0 stands for everything",
        ),
        sa.Column(
            "reconciled_at",
            pg.TIMESTAMP(timezone=True),
            comment="When the last one that ended well began",
        ),
        _count("objects", "Objects read"),
        _count("drift", "Records that were missing, differed or should have been deleted"),
        _count("requests", "Requests made"),
        sa.Column("seconds", pg.NUMERIC(12, 3), comment="Time that it took"),
        sa.Column(
            "complete",
            sa.Boolean,
            nullable=False,
            server_default="false",
            comment="Whether everything was shown, so that what was missing could be looked for",
        ),
        sa.Column("message", pg.TEXT, comment="What there is to say about the last one"),
        schema="stripe_sync",
        comment="What the last reading again of each collection found, for each window",
    )


def _count(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0", comment=comment)


def downgrade() -> None:
    op.drop_table("reconcile_state", schema="stripe_sync")
