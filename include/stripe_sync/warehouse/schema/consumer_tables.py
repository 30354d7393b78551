"""Tables of consumers: who reads the streams, how far each has got, what it was not delivered."""

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

consumers = sa.Table(
    "consumers",
    metadata,
    sa.Column("name", KEY, primary_key=True, comment="Its name"),
    sa.Column("id", pg.UUID, nullable=False, comment="Its id"),
    sa.Column("kind", pg.TEXT, nullable=False, comment="pull, webhook, postgres or kafka"),
    sa.Column("stream", pg.TEXT, nullable=False, comment="records or events"),
    sa.Column("filters", pg.JSONB, nullable=False, comment="What it reads of the stream"),
    sa.Column("deliver_policy", pg.TEXT, nullable=False, comment="Where it began"),
    sa.Column("settings", pg.JSONB, nullable=False, comment="Settings of its kind; no secrets"),
    sa.Column("connection_id", KEY, comment="Airflow connection of its target"),
    sa.Column("metadata", pg.JSONB, nullable=False, comment="The user's own values"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("paused_at", MOMENT, comment="Since when it is paused; null: it is not"),
    sa.Column("pause_reason", pg.TEXT, comment="Why, where the delivery paused it"),
    sa.Column("last_error", pg.TEXT, comment="Why the last try failed; null: it did not"),
    sa.Column("failing_since", MOMENT, comment="First failure since the last success"),
    sa.Column("retry_at", MOMENT, comment="When it is tried again"),
    counter("failures", "Failures since the last success"),
    counter("delivered", "Items that were delivered (pull: acknowledged)"),
    sa.Column("delivered_at", MOMENT, comment="When the last one was"),
    sa.Column("position", pg.JSONB, comment="What its sink needs to go on"),
    counter("epoch", "Grows with each process that begins to deliver, and with each replay"),
    sa.Column("lease_owner", pg.TEXT, comment="Process that delivers to it now"),
    sa.Column("lease_until", MOMENT, comment="Until when nobody else may"),
    sa.UniqueConstraint("id", name="consumers_id"),
    sa.CheckConstraint("stream IN ('records', 'events')", name="consumers_stream"),
    schema=CONTROL_SCHEMA,
    comment="Named readers of the streams",
)


def _consumer_key() -> sa.Column[str]:
    return sa.Column(
        "consumer",
        KEY,
        sa.ForeignKey(consumers.c.name, ondelete="CASCADE"),
        primary_key=True,
        comment="Name of the consumer",
    )


consumer_cursors = sa.Table(
    "consumer_cursors",
    metadata,
    sync_key(),
    _consumer_key(),
    sa.Column(
        "seq",
        sa.BigInteger,
        nullable=False,
        comment="It has everything up to here, but for consumer_items",
    ),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
    schema=CONTROL_SCHEMA,
    comment="How far each consumer has read each sync's stream",
)

consumer_items = sa.Table(
    "consumer_items",
    metadata,
    sync_key(),
    _consumer_key(),
    sa.Column(
        "seq",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="Stream position of the item",
    ),
    sa.Column("collection_id", KEY, nullable=False, comment="stripe:customer"),
    sa.Column("upstream_id", KEY, nullable=False, comment="Stripe's id of the object"),
    sa.Column(
        "state",
        pg.TEXT,
        nullable=False,
        comment="in_flight (pull: waits for its ack), retry, parked (behind an earlier one), dead",
    ),
    counter("deliveries", "How often it was tried"),
    sa.Column("due_at", MOMENT, comment="When it is tried again"),
    sa.Column("token", KEY, comment="Token of this delivery, which an ack must name"),
    sa.Column("last_error", pg.TEXT, comment="Why the last try failed"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint(
        "state IN ('in_flight', 'retry', 'parked', 'dead')", name="consumer_items_state"
    ),
    sa.Index("consumer_items_object", "consumer", "sync_id", "collection_id", "upstream_id", "seq"),
    sa.Index("consumer_items_due", "consumer", "state", "due_at"),
    schema=CONTROL_SCHEMA,
    comment="Items that a cursor has passed and that its consumer does not have",
)
