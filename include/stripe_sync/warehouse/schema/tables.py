"""The warehouse's tables, as the code reads and writes them.

Migrations make them; a test compares both. ``stripe_raw`` holds what was landed, ``stripe_sync``
what the machinery remembers. The views that people query (schema ``stripe``) are built by dbt.

The landed tables carry few indexes and no foreign keys on purpose: each costs every object some
microseconds, and writers already guarantee what a foreign key would.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

CONTROL_SCHEMA = "stripe_sync"
RAW_SCHEMA = "stripe_raw"

metadata = sa.MetaData()

# Keys compare bytewise: faster than a language's order, and the same on every server.
KEY = pg.TEXT(collation="C")
MOMENT = pg.TIMESTAMP(timezone=True)

records = sa.Table(
    "records",
    metadata,
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:customer"),
    sa.Column("sync_id", pg.UUID, primary_key=True, comment="The sync"),
    sa.Column("upstream_id", KEY, primary_key=True, comment="Stripe's id of the object"),
    sa.Column("id", pg.UUID, nullable=False, comment="UUIDv5 of sync, collection, upstream id"),
    sa.Column("resource_id", pg.UUID, nullable=False, comment="The Stripe account and mode"),
    sa.Column("deleted", sa.Boolean, nullable=False, comment="Gone from Stripe"),
    sa.Column("payload", pg.JSONB, nullable=False, comment="The object; NUL shows as U+FFFD"),
    sa.Column("payload_exact", pg.TEXT, comment="Its JSON text, only where it contains NUL"),
    sa.Column(
        "payload_hash", pg.TEXT, nullable=False, comment="Base64 of the MD5 of the canonical JSON"
    ),
    sa.Column("inserted_at", MOMENT, nullable=False, comment="When the record was first stored"),
    sa.Column("updated_at", MOMENT, nullable=False, comment="When its newest event was stored"),
    sa.Column("upstream_updated_at", MOMENT, nullable=False, comment="Last changed in Stripe"),
    sa.Column("upsert_opts", pg.JSONB, comment="Options of the mutation that wrote it last"),
    sa.Column("updated_idx", sa.Integer, nullable=False, comment="Version, 1 is the first"),
    sa.Column("seq", sa.BigInteger, nullable=False, comment="Stream position of its newest event"),
    sa.Column("observed_at", MOMENT, nullable=False, comment="When Stripe showed this state"),
    sa.Column("api_version", pg.TEXT, nullable=False, comment="Version the payload is rendered in"),
    sa.Column("parent_id", KEY, comment="Stripe's id of the object that this one belongs to"),
    sa.Index("records_stream", "sync_id", "seq"),
    sa.Index(
        "records_of_parent",
        "collection_id",
        "sync_id",
        "parent_id",
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    ),
    schema=RAW_SCHEMA,
    comment="Current state of every object",
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("sync_id", pg.UUID, primary_key=True, comment="The sync"),
    sa.Column("seq", sa.BigInteger, primary_key=True, comment="Position in the sync's stream"),
    sa.Column("id", pg.UUID, nullable=False, comment="Deterministic: replays give the same id"),
    sa.Column("resource_id", pg.UUID, nullable=False, comment="The Stripe account and mode"),
    sa.Column("collection_id", KEY, nullable=False, comment="stripe:customer"),
    sa.Column("upstream_id", KEY, nullable=False, comment="Stripe's id of the object"),
    sa.Column("event_type", pg.TEXT, nullable=False, comment="created, updated or deleted"),
    sa.Column("changes", pg.JSONB, comment="Old values of the changed keys; null unless updated"),
    sa.Column("data", pg.JSONB, nullable=False, comment="The object after it; NUL as U+FFFD"),
    sa.Column("data_exact", pg.TEXT, comment="Its JSON text, only where it contains NUL"),
    sa.Column("created_at", MOMENT, nullable=False, comment="When the event was stored"),
    sa.Column("upstream_updated_at", MOMENT, nullable=False, comment="When Stripe made it"),
    sa.Column("source", pg.TEXT, nullable=False, comment="backfill, poll, mutation or reconcile"),
    sa.Column("stripe_event_id", pg.TEXT, comment="The Stripe event behind it, if any"),
    sa.Column("api_version", pg.TEXT, nullable=False, comment="Version the data is rendered in"),
    sa.CheckConstraint("event_type IN ('created', 'updated', 'deleted')", name="events_event_type"),
    sa.CheckConstraint(
        "source IN ('backfill', 'poll', 'mutation', 'reconcile')", name="events_source"
    ),
    sa.UniqueConstraint("id", name="events_id"),
    sa.Index("events_of_record", "collection_id", "sync_id", "upstream_id", "seq"),
    schema=RAW_SCHEMA,
    comment="Every change of every object, in stream order",
)

syncs = sa.Table(
    "syncs",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="UUIDv5 of the name"),
    sa.Column("name", pg.TEXT, nullable=False, comment="What people call it; also a lake folder"),
    sa.Column("resource_id", pg.UUID, nullable=False, comment="The Stripe account and mode"),
    sa.Column("account_id", pg.TEXT, nullable=False, comment="acct_…"),
    sa.Column("livemode", sa.Boolean, nullable=False, comment="Live data rather than test data"),
    sa.Column("api_version", pg.TEXT, nullable=False, comment="Version all payloads are asked in"),
    sa.Column(
        "settings", pg.JSONB, nullable=False, server_default="{}", comment="The sync's own settings"
    ),
    sa.Column(
        "status", pg.TEXT, nullable=False, server_default="active", comment="active or paused"
    ),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("status IN ('active', 'paused')", name="syncs_status"),
    sa.CheckConstraint("name ~ '^[a-z0-9][a-z0-9_-]*$'", name="syncs_name_slug"),
    sa.UniqueConstraint("name", name="syncs_name"),
    schema=CONTROL_SCHEMA,
    comment="One Stripe account and mode kept in step",
)


def sync_key() -> sa.Column[object]:
    """The column that names the sync; rows go with it."""
    return sa.Column(
        "sync_id",
        pg.UUID,
        sa.ForeignKey(syncs.c.id, ondelete="CASCADE"),
        primary_key=True,
        comment="The sync",
    )


def counter(name: str, comment: str) -> sa.Column[int]:
    """A column that counts from zero."""
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0", comment=comment)


stream_position = sa.Table(
    "stream_position",
    metadata,
    sync_key(),
    counter("last_seq", "Position of the newest event; its row lock orders the commits"),
    schema=CONTROL_SCHEMA,
    comment="End of each sync's stream",
)

collection_state = sa.Table(
    "collection_state",
    metadata,
    sync_key(),
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:customer"),
    sa.Column("status", pg.TEXT, nullable=False, server_default="pending", comment="See check"),
    sa.Column("message", pg.TEXT, comment="Why the status is what it is"),
    sa.Column("permission", pg.TEXT, comment="What the key lacks, when forbidden"),
    sa.Column(
        "generation", sa.Integer, nullable=False, server_default="0", comment="Full backfills begun"
    ),
    sa.Column(
        "chunk", sa.Integer, nullable=False, server_default="0", comment="Last chunk that landed"
    ),
    sa.Column("position", pg.JSONB, comment="Where the extraction goes on; null: at the start"),
    counter("objects", "Objects seen in this generation"),
    counter("requests", "Requests made in this generation"),
    sa.Column("percent", pg.NUMERIC(5, 2), comment="Progress, where it can be known"),
    sa.Column("objects_per_second", pg.NUMERIC(12, 1), comment="Of the last run"),
    sa.Column("eta", MOMENT, comment="When the run will be done, where it can be known"),
    sa.Column("seconds", pg.NUMERIC(12, 3), comment="Time that the last run took"),
    sa.Column("started_at", MOMENT),
    sa.Column("finished_at", MOMENT),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint(
        "status IN ('pending', 'running', 'done', 'empty', 'forbidden', 'retired', 'failed',"
        " 'not_implemented')",
        name="collection_state_status",
    ),
    schema=CONTROL_SCHEMA,
    comment="How the backfill of each collection stands",
)

reconcile_state = sa.Table(
    "reconcile_state",
    metadata,
    sync_key(),
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:customer"),
    sa.Column(
        "window_days",
        sa.Integer,
        primary_key=True,
        autoincrement=False,
        comment="Days looked back; 0 stands for everything",
    ),
    sa.Column("reconciled_at", MOMENT, comment="When the last one that ended well began"),
    counter("objects", "Objects read"),
    counter("drift", "Records that were missing, differed or should have been deleted"),
    counter("requests", "Requests made"),
    sa.Column("seconds", pg.NUMERIC(12, 3), comment="Time that it took"),
    sa.Column(
        "complete",
        sa.Boolean,
        nullable=False,
        server_default="false",
        comment="Whether everything was shown, so that what was missing could be looked for",
    ),
    sa.Column("message", pg.TEXT, comment="What there is to say about the last one"),
    schema=CONTROL_SCHEMA,
    comment="What the last reading again of each collection found, for each window",
)

lake_position = sa.Table(
    "lake_position",
    metadata,
    sync_key(),
    counter("seq", "Everything up to here that no backfill wrote itself is in the lake"),
    schema=CONTROL_SCHEMA,
    comment="How far the lake follows the stream",
)
