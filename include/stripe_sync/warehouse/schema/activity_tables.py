"""Tables of figures that are kept up to date, so that nobody counts the rows of large tables."""

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

collection_counts = sa.Table(
    "collection_counts",
    metadata,
    # No foreign key: records stay when a sync is deleted with keep_data.
    sa.Column("sync_id", pg.UUID, primary_key=True, comment="The sync"),
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:customer"),
    counter("records", "Number of records that are not deleted"),
    counter("deleted", "Number of records of objects that are gone from Stripe"),
    counter("change_events", "Number of change events in the warehouse"),
    sa.Column("last_change_at", MOMENT, comment="When its newest change event was stored"),
    schema=CONTROL_SCHEMA,
    comment="Number of records and change events of each collection, kept by triggers",
)

changes_by_minute = sa.Table(
    "changes_by_minute",
    metadata,
    sync_key(),
    sa.Column("minute", MOMENT, primary_key=True, comment="Minute of the commit"),
    counter("change_events", "Number of change events written"),
    schema=CONTROL_SCHEMA,
    comment="Change events by minute, for the last two days",
)

requests_by_minute = sa.Table(
    "requests_by_minute",
    metadata,
    sa.Column("account_key", pg.TEXT, primary_key=True, comment="acct_…:live or acct_…:test"),
    sa.Column("minute", MOMENT, primary_key=True, comment="Minute of the reservation"),
    sa.Column("kind", pg.TEXT, primary_key=True, comment="backfill, poll, reconcile or mutation"),
    counter("requests", "Number of requests by all processes"),
    sa.Index("requests_by_minute_minute", "minute"),
    schema=CONTROL_SCHEMA,
    comment="Requests to Stripe by account, minute and kind, for the last two days",
)
