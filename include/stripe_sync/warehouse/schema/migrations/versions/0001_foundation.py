"""Landed tables and control tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_RAW = "stripe_raw"
_CONTROL = "stripe_sync"

_KEY = pg.TEXT(collation="C")
_TEXT = pg.TEXT()
_MOMENT = pg.TIMESTAMP(timezone=True)
_JSON = pg.JSONB()
_UUID = pg.UUID()
_FLAG = sa.Boolean()
_INT = sa.Integer()
_BIG = sa.BigInteger()


def upgrade() -> None:
    _create_records()
    _create_events()
    _create_syncs()
    _create_progress()
    _create_polling()
    _compress_fast()


def downgrade() -> None:
    for table in ("stripe_event_ledger", "lake_position", "poll_state", "collection_state"):
        op.drop_table(table, schema=_CONTROL)
    for table in ("stream_position", "syncs"):
        op.drop_table(table, schema=_CONTROL)
    for table in ("events", "records"):
        op.drop_table(table, schema=_RAW)


def _column(name: str, kind: Any, comment: str | None = None, default: Any = None) -> Any:
    return sa.Column(name, kind, nullable=False, comment=comment, server_default=default)


def _optional(name: str, kind: Any, comment: str | None = None) -> Any:
    return sa.Column(name, kind, nullable=True, comment=comment)


def _count(name: str, comment: str) -> Any:
    return _column(name, _BIG, comment, "0")


def _of_sync(*more: str) -> tuple[Any, ...]:
    """Key and foreign key of a control table; ``more`` names further key columns."""
    return (
        sa.PrimaryKeyConstraint("sync_id", *more),
        sa.ForeignKeyConstraint(["sync_id"], [f"{_CONTROL}.syncs.id"], ondelete="CASCADE"),
    )


def _create_records() -> None:
    op.create_table(
        "records",
        _column("collection_id", _KEY, "stripe:customer"),
        _column("sync_id", _UUID, "The sync"),
        _column("upstream_id", _KEY, "Stripe's id of the object"),
        _column("id", _UUID, "UUIDv5 of sync, collection, upstream id"),
        _column("resource_id", _UUID, "The Stripe account and mode"),
        _column("deleted", _FLAG, "Gone from Stripe"),
        _column("payload", _JSON, "The object; NUL shows as U+FFFD"),
        _optional("payload_exact", _TEXT, "Its JSON text, only where it contains NUL"),
        _column("payload_hash", _TEXT, "Base64 of the MD5 of the canonical JSON"),
        _column("inserted_at", _MOMENT, "When the record was first stored"),
        _column("updated_at", _MOMENT, "When its newest event was stored"),
        _column("upstream_updated_at", _MOMENT, "Last changed in Stripe"),
        _optional("upsert_opts", _JSON, "Options of the mutation that wrote it last"),
        _column("updated_idx", _INT, "Version, 1 is the first"),
        _column("seq", _BIG, "Stream position of its newest event"),
        _column("observed_at", _MOMENT, "When Stripe showed this state"),
        _column("api_version", _TEXT, "Version the payload is rendered in"),
        sa.PrimaryKeyConstraint("collection_id", "sync_id", "upstream_id"),
        schema=_RAW,
        comment="Current state of every object",
    )
    op.create_index("records_stream", "records", ["sync_id", "seq"], schema=_RAW)


def _create_events() -> None:
    op.create_table(
        "events",
        _column("sync_id", _UUID, "The sync"),
        _column("seq", _BIG, "Position in the sync's stream"),
        _column("id", _UUID, "Deterministic: replays give the same id"),
        _column("resource_id", _UUID, "The Stripe account and mode"),
        _column("collection_id", _KEY, "stripe:customer"),
        _column("upstream_id", _KEY, "Stripe's id of the object"),
        _column("event_type", _TEXT, "created, updated or deleted"),
        _optional("changes", _JSON, "Old values of the changed keys; null unless updated"),
        _column("data", _JSON, "The object after it; NUL as U+FFFD"),
        _optional("data_exact", _TEXT, "Its JSON text, only where it contains NUL"),
        _column("created_at", _MOMENT, "When the event was stored"),
        _column("upstream_updated_at", _MOMENT, "When Stripe made it"),
        _column("source", _TEXT, "backfill, poll, mutation or reconcile"),
        _optional("stripe_event_id", _TEXT, "The Stripe event behind it, if any"),
        _column("api_version", _TEXT, "Version the data is rendered in"),
        sa.PrimaryKeyConstraint("sync_id", "seq"),
        sa.UniqueConstraint("id", name="events_id"),
        sa.CheckConstraint(
            "event_type IN ('created', 'updated', 'deleted')", name="events_event_type"
        ),
        sa.CheckConstraint(
            "source IN ('backfill', 'poll', 'mutation', 'reconcile')", name="events_source"
        ),
        schema=_RAW,
        comment="Every change of every object, in stream order",
    )
    of_record = ["collection_id", "sync_id", "upstream_id", "seq"]
    op.create_index("events_of_record", "events", of_record, schema=_RAW)


def _create_syncs() -> None:
    op.create_table(
        "syncs",
        _column("id", _UUID, "UUIDv5 of the name"),
        _column("name", _TEXT, "What people call it; also a lake folder"),
        _column("resource_id", _UUID, "The Stripe account and mode"),
        _column("account_id", _TEXT, "acct_…"),
        _column("livemode", _FLAG, "Live data rather than test data"),
        _column("api_version", _TEXT, "Version all payloads are asked in"),
        _column("settings", _JSON, "The sync's own settings", "{}"),
        _column("status", _TEXT, "active or paused", "active"),
        _column("created_at", _MOMENT, default=sa.func.now()),
        _column("updated_at", _MOMENT, default=sa.func.now()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="syncs_name"),
        sa.CheckConstraint("status IN ('active', 'paused')", name="syncs_status"),
        sa.CheckConstraint("name ~ '^[a-z0-9][a-z0-9_-]*$'", name="syncs_name_slug"),
        schema=_CONTROL,
        comment="One Stripe account and mode kept in step",
    )
    op.create_table(
        "stream_position",
        _column("sync_id", _UUID, "The sync"),
        _count("last_seq", "Position of the newest event; its row lock orders the commits"),
        *_of_sync(),
        schema=_CONTROL,
        comment="End of each sync's stream",
    )


def _create_progress() -> None:
    op.create_table(
        "collection_state",
        _column("sync_id", _UUID, "The sync"),
        _column("collection_id", _KEY, "stripe:customer"),
        _column("status", _TEXT, "See check", "pending"),
        _optional("message", _TEXT, "Why the status is what it is"),
        _optional("permission", _TEXT, "What the key lacks, when forbidden"),
        _column("generation", _INT, "Full backfills begun", "0"),
        _column("chunk", _INT, "Last chunk that landed", "0"),
        _optional("position", _JSON, "Where the extraction goes on; null: at the start"),
        _count("objects", "Objects seen in this generation"),
        _count("requests", "Requests made in this generation"),
        _optional("percent", pg.NUMERIC(5, 2), "Progress, where it can be known"),
        _optional("seconds", pg.NUMERIC(12, 3), "Time that the last run took"),
        _optional("started_at", _MOMENT),
        _optional("finished_at", _MOMENT),
        _column("updated_at", _MOMENT, default=sa.func.now()),
        *_of_sync("collection_id"),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'done', 'empty', 'forbidden', 'retired', 'failed',"
            " 'not_implemented')",
            name="collection_state_status",
        ),
        schema=_CONTROL,
        comment="How the backfill of each collection stands",
    )


def _create_polling() -> None:
    op.create_table(
        "poll_state",
        _column("sync_id", _UUID, "The sync"),
        _optional("fence", _MOMENT, "Taken before the first backfill page; polling starts here"),
        _optional("position", _JSON, "Where polling goes on; null: at the fence"),
        _optional("polled_at", _MOMENT, "Last poll"),
        _count("polls", "Polls so far"),
        _count("requests", "Requests made by polling so far"),
        _count("stripe_events", "Stripe events seen so far"),
        _count("changes", "Change events written by polling so far"),
        _optional("lease_owner", _TEXT, "Who polls"),
        _optional("lease_until", _MOMENT, "Until when nobody else may"),
        *_of_sync(),
        schema=_CONTROL,
        comment="How the polling of each sync stands",
    )
    op.create_table(
        "stripe_event_ledger",
        _column("sync_id", _UUID, "The sync"),
        _column("stripe_event_id", _KEY, "evt_…"),
        _column("created", _MOMENT, "When Stripe made it"),
        *_of_sync("stripe_event_id"),
        schema=_CONTROL,
        comment="Stripe events that were applied, kept as long as Stripe may show them again",
    )
    by_age = ["sync_id", "created"]
    op.create_index("stripe_event_ledger_created", "stripe_event_ledger", by_age, schema=_CONTROL)
    op.create_table(
        "lake_position",
        _column("sync_id", _UUID, "The sync"),
        _count("seq", "Everything up to here that no backfill wrote itself is in the lake"),
        *_of_sync(),
        schema=_CONTROL,
        comment="How far the lake follows the stream",
    )


def _compress_fast() -> None:
    """Compress long payloads with lz4 where the server has it: a fraction of pglz's time."""
    known = (
        "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    )
    if op.get_bind().scalar(sa.text(known)):
        for table, column in (("records", "payload"), ("events", "data")):
            op.execute(f"ALTER TABLE {_RAW}.{table} ALTER COLUMN {column} SET COMPRESSION lz4")
