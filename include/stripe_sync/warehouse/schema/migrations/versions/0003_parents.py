"""Which object a record belongs to, for objects that do not say so themselves."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    column = sa.Column(
        "parent_id",
        sa.Text(collation="C"),
        comment="Stripe's id of the object that this one belongs to",
    )
    op.add_column("records", column, schema="stripe_raw")
    # Most records stand by themselves and cost this index nothing.
    op.create_index(
        "records_of_parent",
        "records",
        ["collection_id", "sync_id", "parent_id"],
        schema="stripe_raw",
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("records_of_parent", "records", schema="stripe_raw")
    op.drop_column("records", "parent_id", schema="stripe_raw")
