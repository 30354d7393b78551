"""Polling many syncs: lag, objects still to fetch, gaps, twins of Stripe events, reads."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SCHEMA = "stripe_sync"
_KEY = pg.TEXT(collation="C")
_MOMENT = pg.TIMESTAMP(timezone=True)

# One row a day and account: whoever is granted a slot for a GET adds to it in the same statement.
_COUNT_READS = """
CREATE FUNCTION stripe_sync.count_reads(p_account text, p_endpoint text, p_slots float8[])
RETURNS void LANGUAGE sql AS $$
    INSERT INTO stripe_sync.stripe_reads AS r (account_key, day, reads)
    SELECT p_account, (now() AT TIME ZONE 'UTC')::date, cardinality(p_slots)
    WHERE cardinality(p_slots) > 0 AND p_endpoint LIKE 'GET %'
    ON CONFLICT (account_key, day) DO UPDATE SET reads = r.reads + excluded.reads
$$;
COMMENT ON FUNCTION stripe_sync.count_reads IS
    'Adds granted slots to what the account has read today, where the request is a read'
"""


def _sync() -> sa.Column[object]:
    return sa.Column(
        "sync_id",
        pg.UUID,
        sa.ForeignKey("stripe_sync.syncs.id", ondelete="CASCADE"),
        primary_key=True,
        comment="The sync",
    )


def _count(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0", comment=comment)


def upgrade() -> None:
    op.alter_column(
        "poll_state",
        "polled_at",
        comment="Last poll that Stripe answered",
        existing_comment="Last poll",
        schema=_SCHEMA,
    )
    for column in (
        _count("rate_limited", "Answers among them that there were too many requests"),
        sa.Column("message", pg.TEXT, comment="What keeps it from being polled; null: nothing"),
        sa.Column("transactions", sa.BigInteger, comment="Charges of 30 days, when counted last"),
        sa.Column("transactions_at", _MOMENT, comment="When they were counted"),
    ):
        op.add_column("poll_state", column, schema=_SCHEMA)
    op.create_table(
        "poll_lag",
        _sync(),
        sa.Column("minute", _MOMENT, primary_key=True, comment="Minute in which they were applied"),
        sa.Column(
            "within_seconds",
            pg.NUMERIC(9, 1),
            primary_key=True,
            comment="Upper bound of the time from the change in Stripe to the commit",
        ),
        _count("stripe_events", "Stripe events that took so long"),
        schema=_SCHEMA,
        comment="How long changes took to arrive, of late",
    )
    _add_queue()
    _add_gaps()
    _add_fingerprints()
    op.create_table(
        "stripe_reads",
        sa.Column("account_key", pg.TEXT, primary_key=True, comment="acct_…:live or acct_…:test"),
        sa.Column("day", sa.Date, primary_key=True, comment="UTC"),
        _count("reads", "GET requests granted to all processes together"),
        schema=_SCHEMA,
        comment="What is used of the reads that Stripe allots to each account",
    )
    op.execute(_COUNT_READS)


def _add_queue() -> None:
    op.create_table(
        "fetch_queue",
        _sync(),
        sa.Column("collection_id", _KEY, primary_key=True, comment="stripe:customer"),
        sa.Column("upstream_id", _KEY, primary_key=True, comment="Stripe's id of the object"),
        sa.Column("seen", pg.JSONB, nullable=False, comment="What names the object to Stripe"),
        sa.Column(
            "changed_at", _MOMENT, nullable=False, comment="Its oldest change not fetched yet"
        ),
        sa.Column("noted_at", _MOMENT, nullable=False, comment="When its newest change was noted"),
        schema=_SCHEMA,
        comment="Objects whose changes are in the stream, their new state still to be fetched",
    )


def _add_gaps() -> None:
    op.create_table(
        "retention_gap",
        _sync(),
        sa.Column("began_at", _MOMENT, primary_key=True, comment="Last poll before it"),
        sa.Column("ended_at", _MOMENT, nullable=False, comment="First poll after it"),
        sa.Column("reason", pg.TEXT, nullable=False, comment="Why Stripe events are missing"),
        sa.Column("reconciled_at", _MOMENT, comment="When all collections had been read again"),
        schema=_SCHEMA,
        comment="Times whose Stripe events Stripe no longer had when polling went on",
    )


def _add_fingerprints() -> None:
    op.add_column(
        "stripe_event_ledger",
        sa.Column(
            "fingerprint", pg.UUID, comment="Of what it says, where its twin could be told by that"
        ),
        schema=_SCHEMA,
    )
    op.create_index(
        "stripe_event_ledger_fingerprint",
        "stripe_event_ledger",
        ["sync_id", "fingerprint"],
        schema=_SCHEMA,
        postgresql_where=sa.text("fingerprint IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION stripe_sync.count_reads")
    op.drop_index("stripe_event_ledger_fingerprint", "stripe_event_ledger", schema=_SCHEMA)
    op.drop_column("stripe_event_ledger", "fingerprint", schema=_SCHEMA)
    for name in ("stripe_reads", "retention_gap", "fetch_queue", "poll_lag"):
        op.drop_table(name, schema=_SCHEMA)
    for name in ("rate_limited", "message", "transactions", "transactions_at"):
        op.drop_column("poll_state", name, schema=_SCHEMA)
    op.alter_column("poll_state", "polled_at", comment="Last poll", schema=_SCHEMA)
