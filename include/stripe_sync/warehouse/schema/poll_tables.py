"""What polling remembers: where it stands, what it has applied, what it still has to fetch."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from stripe_sync.warehouse.schema.tables import (
    CONTROL_SCHEMA,
    KEY,
    MOMENT,
    counter,
    metadata,
    sync_key,
)

poll_state = sa.Table(
    "poll_state",
    metadata,
    sync_key(),
    sa.Column("fence", MOMENT, comment="Taken before the first backfill page; polling starts here"),
    sa.Column("position", pg.JSONB, comment="Where polling goes on; null: at the fence"),
    sa.Column("polled_at", MOMENT, comment="Last poll that Stripe answered"),
    counter("polls", "Polls so far"),
    counter("requests", "Requests made by polling so far"),
    counter("rate_limited", "Answers among them that there were too many requests"),
    counter("stripe_events", "Stripe events seen so far"),
    counter("changes", "Change events written by polling so far"),
    sa.Column("message", pg.TEXT, comment="What keeps it from being polled; null: nothing"),
    sa.Column("transactions", sa.BigInteger, comment="Charges of 30 days, when counted last"),
    sa.Column("transactions_at", MOMENT, comment="When they were counted"),
    sa.Column("lease_owner", pg.TEXT, comment="Who polls"),
    sa.Column("lease_until", MOMENT, comment="Until when nobody else may"),
    schema=CONTROL_SCHEMA,
    comment="How the polling of each sync stands",
)

poll_lag = sa.Table(
    "poll_lag",
    metadata,
    sync_key(),
    sa.Column("minute", MOMENT, primary_key=True, comment="Minute in which they were applied"),
    sa.Column(
        "within_seconds",
        pg.NUMERIC(9, 1),
        primary_key=True,
        comment="Upper bound of the time from the change in Stripe to the commit",
    ),
    counter("stripe_events", "Stripe events that took so long"),
    schema=CONTROL_SCHEMA,
    comment="How long changes took to arrive, of late",
)

stripe_event_ledger = sa.Table(
    "stripe_event_ledger",
    metadata,
    sync_key(),
    sa.Column("stripe_event_id", KEY, primary_key=True, comment="evt_…"),
    sa.Column("created", MOMENT, nullable=False, comment="When Stripe made it"),
    sa.Column(
        "fingerprint", pg.UUID, comment="Of what it says, where its twin could be told by that"
    ),
    sa.Index("stripe_event_ledger_created", "sync_id", "created"),
    sa.Index(
        "stripe_event_ledger_fingerprint",
        "sync_id",
        "fingerprint",
        postgresql_where=sa.text("fingerprint IS NOT NULL"),
    ),
    schema=CONTROL_SCHEMA,
    comment="Stripe events that were applied, kept as long as Stripe may show them again",
)

fetch_queue = sa.Table(
    "fetch_queue",
    metadata,
    sync_key(),
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:customer"),
    sa.Column("upstream_id", KEY, primary_key=True, comment="Stripe's id of the object"),
    sa.Column("seen", pg.JSONB, nullable=False, comment="What names the object to Stripe"),
    sa.Column("changed_at", MOMENT, nullable=False, comment="Its oldest change not fetched yet"),
    sa.Column("noted_at", MOMENT, nullable=False, comment="When its newest change was noted"),
    schema=CONTROL_SCHEMA,
    comment="Objects whose changes are in the stream, their new state still to be fetched",
)

retention_gap = sa.Table(
    "retention_gap",
    metadata,
    sync_key(),
    sa.Column("began_at", MOMENT, primary_key=True, comment="Last poll before it"),
    sa.Column("ended_at", MOMENT, nullable=False, comment="First poll after it"),
    sa.Column("reason", pg.TEXT, nullable=False, comment="Why Stripe events are missing"),
    sa.Column("reconciled_at", MOMENT, comment="When all collections had been read again"),
    schema=CONTROL_SCHEMA,
    comment="Times whose Stripe events Stripe no longer had when polling went on",
)

stripe_reads = sa.Table(
    "stripe_reads",
    metadata,
    sa.Column("account_key", pg.TEXT, primary_key=True, comment="acct_…:live or acct_…:test"),
    sa.Column("day", sa.Date, primary_key=True, comment="UTC"),
    counter("reads", "GET requests granted to all processes together"),
    schema=CONTROL_SCHEMA,
    comment="What is used of the reads that Stripe allots to each account",
)
