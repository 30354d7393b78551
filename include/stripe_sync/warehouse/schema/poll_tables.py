"""Tables of polling: state, lease, latencies, processed Stripe events, pending fetches, gaps."""

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
    sa.Column(
        "cutoff", MOMENT, comment="Taken before the first backfill request; polling starts here"
    ),
    sa.Column("cursor", pg.JSONB, comment="Where polling resumes; null: at the cutoff"),
    sa.Column("polled_at", MOMENT, comment="Time of the last poll that Stripe answered"),
    sa.Column("events_until", MOMENT, comment="The time of that poll by Stripe's clock"),
    counter("polls", "Number of polls"),
    counter("requests", "Number of requests by polling, fetches included"),
    counter("rate_limited", "Number of 429 responses to those requests"),
    counter("stripe_events", "Number of Stripe events processed"),
    counter("changes", "Number of change events written by polling"),
    sa.Column("message", pg.TEXT, comment="Error that keeps the sync from being polled, if any"),
    sa.Column("message_at", MOMENT, comment="When the message last changed"),
    sa.Column("key_problem", pg.TEXT, comment="refused or limited: what it says of the key"),
    sa.Column("transactions", sa.BigInteger, comment="Charges of 30 days at transactions_at"),
    sa.Column("transactions_at", MOMENT, comment="When the charges were counted"),
    sa.Column("lease_owner", pg.TEXT, comment="Process that polls the sync"),
    sa.Column("lease_until", MOMENT, comment="When the lease expires unless renewed"),
    schema=CONTROL_SCHEMA,
    comment="State of each sync's polling",
)

poll_latency = sa.Table(
    "poll_latency",
    metadata,
    sync_key(),
    sa.Column("minute", MOMENT, primary_key=True, comment="Minute of the commit"),
    sa.Column(
        "within_seconds",
        pg.NUMERIC(9, 1),
        primary_key=True,
        comment="Upper bound of the seconds from the change in Stripe to the commit",
    ),
    counter("stripe_events", "Number of Stripe events with this latency"),
    schema=CONTROL_SCHEMA,
    comment="Histogram of polling latency by minute, for the last two days",
)

poll_latency_by_half_hour = sa.Table(
    "poll_latency_by_half_hour",
    metadata,
    sync_key(),
    sa.Column("half_hour", MOMENT, primary_key=True, comment="Half hour of the commit"),
    sa.Column(
        "within_seconds",
        pg.NUMERIC(9, 1),
        primary_key=True,
        comment="Upper bound of the seconds from the change in Stripe to the commit",
    ),
    counter("stripe_events", "Number of Stripe events with this latency"),
    schema=CONTROL_SCHEMA,
    comment="Histogram of polling latency by half hour, for the last two days",
)

latency_percentiles = sa.Table(
    "latency_percentiles",
    metadata,
    sync_key(),
    sa.Column("half_hour", MOMENT, primary_key=True, comment="Half hour of the commit"),
    sa.Column("p50", sa.Double, nullable=False, comment="Median in seconds"),
    sa.Column("p99", sa.Double, nullable=False, comment="99th percentile in seconds"),
    counter("stripe_events", "Number of Stripe events processed"),
    schema=CONTROL_SCHEMA,
    comment="Percentiles of polling latency by half hour, for the last two days",
)

processed_events = sa.Table(
    "processed_events",
    metadata,
    sync_key(),
    sa.Column("stripe_event_id", KEY, primary_key=True, comment="evt_…"),
    sa.Column("created", MOMENT, nullable=False, comment="When Stripe created the Stripe event"),
    sa.Column(
        "fingerprint",
        pg.UUID,
        comment="Id of its content, to recognise a duplicate with another id; null: unknown",
    ),
    sa.Column("request_id", KEY, comment="Stripe's id of the request, where it may be a mutation"),
    sa.Index("processed_events_created", "sync_id", "created"),
    sa.Index(
        "processed_events_request",
        "sync_id",
        "request_id",
        postgresql_where=sa.text("request_id IS NOT NULL"),
    ),
    sa.Index(
        "processed_events_fingerprint",
        "sync_id",
        "fingerprint",
        postgresql_where=sa.text("fingerprint IS NOT NULL"),
    ),
    schema=CONTROL_SCHEMA,
    comment="Stripe events that have their change event, kept for longer than Stripe lists them",
)

pending_fetches = sa.Table(
    "pending_fetches",
    metadata,
    sync_key(),
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:customer"),
    sa.Column("upstream_id", KEY, primary_key=True, comment="Stripe's id of the object"),
    sa.Column(
        "locator", pg.JSONB, nullable=False, comment="Fields that its retrieve request needs"
    ),
    sa.Column("changed_at", MOMENT, nullable=False, comment="Its oldest change not fetched yet"),
    sa.Column("fields", pg.JSONB, comment="Names of the fields that it is fetched for; null: any"),
    sa.Column("queued_at", MOMENT, nullable=False, comment="When its newest change was queued"),
    schema=CONTROL_SCHEMA,
    comment="Objects whose change events are stored while their new state is still to be fetched",
)

retention_gaps = sa.Table(
    "retention_gaps",
    metadata,
    sync_key(),
    sa.Column(
        "began_at",
        MOMENT,
        primary_key=True,
        comment="Last poll before the gap, by Stripe's clock, or first backfill",
    ),
    sa.Column("ended_at", MOMENT, comment="First poll after the gap; null: not polled yet"),
    sa.Column("reason", pg.TEXT, nullable=False, comment="Why Stripe events are missing"),
    sa.Column(
        "noted_at",
        MOMENT,
        comment="When the gap had ended, by the warehouse's clock: what was read since is complete",
    ),
    sa.Column("reconciled_at", MOMENT, comment="When all collections were reconciled since"),
    schema=CONTROL_SCHEMA,
    comment="Periods whose Stripe events could not be polled, or not before Stripe deleted them",
)

stripe_reads = sa.Table(
    "stripe_reads",
    metadata,
    sa.Column("account_key", pg.TEXT, primary_key=True, comment="acct_…:live or acct_…:test"),
    sa.Column("day", sa.Date, primary_key=True, comment="UTC"),
    counter("reads", "Number of GET requests by all processes"),
    schema=CONTROL_SCHEMA,
    comment="Use of Stripe's read allotment by account and day",
)
