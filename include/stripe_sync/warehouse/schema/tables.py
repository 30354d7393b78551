"""The warehouse's tables as the code reads and writes them.

Migrations create them; a test compares both. ``stripe_raw`` holds records and change events,
``stripe_sync`` the state of the syncs. dbt builds the views that people query (schema ``stripe``).

The tables of ``stripe_raw`` have few indexes and no foreign keys: each would cost some microseconds
per object, and the writers already guarantee what a foreign key would.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from stripe_sync.records import CollectionStatus

CONTROL_SCHEMA = "stripe_sync"
RAW_SCHEMA = "stripe_raw"

metadata = sa.MetaData()

# Keys compare bytewise: faster than a locale's order, and the same on every server.
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
    sa.Column("payload", pg.JSONB, nullable=False, comment="The object; NUL is stored as U+FFFD"),
    sa.Column(
        "payload_exact", pg.TEXT, comment="JSON text of the object, only where jsonb alters it"
    ),
    sa.Column(
        "payload_hash", pg.TEXT, nullable=False, comment="Base64 of the MD5 of the canonical JSON"
    ),
    sa.Column("inserted_at", MOMENT, nullable=False, comment="When the record was first stored"),
    sa.Column(
        "updated_at", MOMENT, nullable=False, comment="When its newest change event was stored"
    ),
    sa.Column(
        "upstream_updated_at", MOMENT, nullable=False, comment="When Stripe changed the object"
    ),
    sa.Column("upsert_opts", pg.JSONB, comment="Options of the mutation that wrote it last"),
    sa.Column("updated_idx", sa.Integer, nullable=False, comment="Version of the record, from 1"),
    sa.Column("seq", sa.BigInteger, nullable=False, comment="Stream position of its newest event"),
    sa.Column(
        "observed_at",
        MOMENT,
        nullable=False,
        comment="When this state was requested",
    ),
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
    sa.Column(
        "data", pg.JSONB, nullable=False, comment="The object after the change; NUL is U+FFFD"
    ),
    sa.Column("data_exact", pg.TEXT, comment="JSON text of the object, only where jsonb alters it"),
    sa.Column("created_at", MOMENT, nullable=False, comment="When the change event was stored"),
    sa.Column(
        "upstream_updated_at",
        MOMENT,
        nullable=False,
        comment="When Stripe made the change; never before the change event before",
    ),
    sa.Column(
        "source", pg.TEXT, nullable=False, comment="backfill, poll, mutation, reconcile or erase"
    ),
    sa.Column("stripe_event_id", pg.TEXT, comment="Stripe event that reported the change, if any"),
    sa.Column("api_version", pg.TEXT, nullable=False, comment="Version the data is rendered in"),
    sa.CheckConstraint("event_type IN ('created', 'updated', 'deleted')", name="events_event_type"),
    sa.CheckConstraint(
        "source IN ('backfill', 'poll', 'mutation', 'reconcile', 'erase')", name="events_source"
    ),
    sa.UniqueConstraint("id", name="events_id"),
    # The id comes first: people look objects up by it alone, and PostgreSQL before version 18
    # cannot skip leading columns.
    sa.Index("events_of_record", "upstream_id", "collection_id", "sync_id", "seq"),
    sa.Index("events_created_at", "created_at"),
    schema=RAW_SCHEMA,
    comment="Change events of all objects, in stream order",
)

syncs = sa.Table(
    "syncs",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="UUIDv5 of the name"),
    sa.Column("name", pg.TEXT, nullable=False, comment="Name of the sync and of its lake folder"),
    sa.Column("resource_id", pg.UUID, nullable=False, comment="The Stripe account and mode"),
    sa.Column("account_id", pg.TEXT, nullable=False, comment="acct_…, or unknown:…"),
    sa.Column("livemode", sa.Boolean, nullable=False, comment="Live data rather than test data"),
    sa.Column("api_version", pg.TEXT, nullable=False, comment="Version of all payloads"),
    sa.Column(
        "settings", pg.JSONB, nullable=False, server_default="{}", comment="Settings in effect"
    ),
    sa.Column(
        "overrides",
        pg.JSONB,
        nullable=False,
        server_default="{}",
        comment="Settings stored with the sync; they win over those of its connection",
    ),
    sa.Column("collections", pg.ARRAY(pg.TEXT), comment="Ids of its collections; null: all"),
    sa.Column("connection_id", pg.TEXT, comment="Airflow connection of its key; null: stripe_…"),
    sa.Column(
        "connected_account", pg.TEXT, comment="acct_… that the key acts on; null: its connection's"
    ),
    sa.Column("external_id", pg.TEXT, comment="The caller's own id of it"),
    sa.Column(
        "metadata", pg.JSONB, nullable=False, server_default="{}", comment="The caller's own data"
    ),
    sa.Column(
        "status",
        pg.TEXT,
        nullable=False,
        server_default="active",
        comment="active, paused, disconnected or deleting",
    ),
    sa.Column(
        "backfill_wanted",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="Its first backfill is to be started by stripe_reconcile, if nobody else has",
    ),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("account_name", pg.TEXT, comment="Name of its account, if a key could read it"),
    sa.Column("key_fingerprint", pg.UUID, comment="Of the key last found to be for this account"),
    sa.Column("key_checked_at", MOMENT, comment="When that was found out"),
    sa.Column(
        "stripe_ahead",
        sa.Double,
        nullable=False,
        server_default="0",
        comment="Seconds that Stripe's clock was ahead of the warehouse's",
    ),
    sa.CheckConstraint(
        "status IN ('active', 'paused', 'disconnected', 'deleting')", name="syncs_status"
    ),
    sa.CheckConstraint("name ~ '^[a-z0-9][a-z0-9_-]*$'", name="syncs_name_slug"),
    sa.CheckConstraint(
        "name !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'", name="syncs_name_id"
    ),
    sa.UniqueConstraint("name", name="syncs_name"),
    schema=CONTROL_SCHEMA,
    comment="Syncs: one Stripe account and mode each",
)


def sync_key() -> sa.Column[object]:
    """The key column of a sync's rows; they are deleted with the sync."""
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
    counter("last_seq", "Position of the newest change event; its row lock orders commits"),
    schema=CONTROL_SCHEMA,
    comment="End of each sync's stream",
)

collection_state = sa.Table(
    "collection_state",
    metadata,
    sync_key(),
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:customer"),
    sa.Column(
        "status",
        pg.TEXT,
        nullable=False,
        server_default=CollectionStatus.PENDING.value,
        comment="Status of the backfill",
    ),
    sa.Column("message", pg.TEXT, comment="Reason of the status"),
    sa.Column("permission", pg.TEXT, comment="Permission that the key lacks"),
    sa.Column(
        "generation",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="Number of full backfills started",
    ),
    sa.Column(
        "chunk",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="Number of the last chunk written",
    ),
    sa.Column("cursor", pg.JSONB, comment="Where reading resumes; null: at the start"),
    counter("objects", "Objects read in this generation"),
    counter("requests", "Requests made in this generation"),
    sa.Column("percent", pg.NUMERIC(5, 2), comment="Progress, 0 to 100; null: unknown"),
    sa.Column("objects_per_second", pg.NUMERIC(12, 1), comment="Speed of the last run"),
    sa.Column("eta", MOMENT, comment="When the run will be done; null: unknown"),
    sa.Column("seconds", pg.NUMERIC(12, 3), comment="Duration of the last run"),
    sa.Column("started_at", MOMENT),
    sa.Column("finished_at", MOMENT),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
    counter("searched_seq", "Records up to here were searched for ids of missing objects of it"),
    sa.CheckConstraint(
        f"status IN ({', '.join(repr(status.value) for status in CollectionStatus)})",
        name="collection_state_status",
    ),
    schema=CONTROL_SCHEMA,
    comment="State of each collection's backfill",
)

missing_objects = sa.Table(
    "missing_objects",
    metadata,
    sync_key(),
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:price"),
    sa.Column("upstream_id", KEY, primary_key=True, comment="Stripe's id of the object"),
    sa.Column("named_by", KEY, nullable=False, comment="Collection of the object that names it"),
    sa.Column("named_by_id", KEY, nullable=False, comment="Key of the object that names it"),
    sa.Column("field", pg.TEXT, nullable=False, comment="Path in the object that names it"),
    sa.Column(
        "status",
        pg.TEXT,
        nullable=False,
        server_default="pending",
        comment="pending: to be retrieved; gone: does not exist; unlisted: stored, in no list",
    ),
    sa.Column("message", pg.TEXT, comment="Stripe's answer, unless it returned the object"),
    counter("attempts", "Requests that failed since it was found"),
    sa.Column("retry_at", MOMENT, comment="When to try again after a failure; null: at once"),
    sa.Column("asked_at", MOMENT, comment="When Stripe was last asked for it; null: never"),
    sa.CheckConstraint("status IN ('pending', 'gone', 'unlisted')", name="missing_objects_status"),
    schema=CONTROL_SCHEMA,
    comment="Objects that stored objects name and that no list returned",
)

erased_objects = sa.Table(
    "erased_objects",
    metadata,
    # No foreign key: what was erased stays so when a sync is deleted and its data are kept.
    sa.Column("sync_id", pg.UUID, primary_key=True, comment="The sync"),
    sa.Column("upstream_id", KEY, primary_key=True, comment="Key of the object"),
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:customer"),
    sa.Column(
        "customer_id", KEY, nullable=False, comment="The customer; empty: learnt from the lake"
    ),
    sa.Column("erased_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column(
        "done",
        sa.Boolean,
        nullable=False,
        server_default="false",
        comment="Whether nothing of it is stored; else the next maintenance goes on",
    ),
    sa.Index(
        "erased_objects_pending", "sync_id", "customer_id", postgresql_where=sa.text("NOT done")
    ),
    schema=CONTROL_SCHEMA,
    comment="Objects that were erased and are never stored again",
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
        comment="Lookback in days; 0: all objects",
    ),
    sa.Column("reconciled_at", MOMENT, comment="Start of the last successful reconcile"),
    counter("objects", "Objects read"),
    counter("drift", "Records created, corrected or marked as deleted"),
    counter("requests", "Requests made"),
    sa.Column("seconds", pg.NUMERIC(12, 3), comment="Duration"),
    sa.Column(
        "complete",
        sa.Boolean,
        nullable=False,
        server_default="false",
        comment="Whether all objects were listed, so that deletions could be detected",
    ),
    sa.Column("message", pg.TEXT, comment="Reason of an incomplete or failed reconcile"),
    schema=CONTROL_SCHEMA,
    comment="Result of each collection's last reconcile, by lookback",
)

set_aside = sa.Table(
    "set_aside",
    metadata,
    sync_key(),
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:customer"),
    sa.Column("key", KEY, primary_key=True, comment="Hash of the text; name of its lake file"),
    sa.Column("upstream_id", KEY, comment="Stripe's id of the object, where it has one"),
    sa.Column("reason", pg.TEXT, nullable=False, comment="Why it cannot be stored as a record"),
    sa.Column("text", pg.TEXT, comment="Its JSON text; null: Stripe did not return it"),
    sa.Column("observed_at", MOMENT, nullable=False, comment="When it was requested"),
    sa.Column("set_aside_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("code_version", pg.TEXT, nullable=False, comment="Version that could not store it"),
    schema=CONTROL_SCHEMA,
    comment="Objects and Stripe events that cannot be stored as records",
)

lake_position = sa.Table(
    "lake_position",
    metadata,
    sync_key(),
    counter("seq", "The lake has all change events up to here, except those of backfills"),
    sa.Column(
        "writer",
        pg.TEXT,
        nullable=False,
        server_default=sa.text("left(gen_random_uuid()::text, 8)"),
        comment="This warehouse in the names of the lake files of backfills",
    ),
    schema=CONTROL_SCHEMA,
    comment="Stream position that the lake has reached",
)

stream_watchers = sa.Table(
    "stream_watchers",
    metadata,
    sa.Column("name", pg.TEXT, primary_key=True, comment="Name of the watcher"),
    sa.Column(
        "positions",
        pg.JSONB,
        nullable=False,
        comment="Stream position up to which it has reported, by sync id",
    ),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
    schema=CONTROL_SCHEMA,
    comment="How far each watcher of the streams has reported",
)

typed_tables = sa.Table(
    "typed_tables",
    metadata,
    sa.Column("collection_id", KEY, primary_key=True, comment="stripe:customer"),
    sa.Column("table_name", pg.TEXT, nullable=False, comment="Its typed table in stripe_raw"),
    sa.Column(
        "function_hash", pg.TEXT, nullable=False, comment="Hash of the function that writes it"
    ),
    sa.Column(
        "is_filled",
        sa.Boolean,
        nullable=False,
        comment="Whether all rows have all columns; else the next maintenance fills them",
    ),
    sa.Column("filled_sync_id", pg.UUID, comment="Filled up to this sync and key; null: none"),
    sa.Column("filled_key", KEY, comment="Key of the last record that was filled"),
    schema=CONTROL_SCHEMA,
    comment="Typed tables, one of each collection",
)
