"""Tables of the first release."""

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
_BOOLEAN = sa.Boolean()
_INT = sa.Integer()
_BIGINT = sa.BigInteger()


_DROP_TYPED_TABLES = """
DO $$
DECLARE
    dropped text;
BEGIN
    FOR dropped IN
        SELECT format('DROP TABLE stripe_raw.%I', table_name) FROM stripe_sync.typed_tables
        UNION ALL
        SELECT 'DROP FUNCTION ' || oid::regprocedure || ' CASCADE' FROM pg_proc
        WHERE pronamespace = 'stripe_raw'::regnamespace AND starts_with(proname, 'write_typed_')
    LOOP
        EXECUTE dropped;
    END LOOP;
END
$$
"""


def upgrade() -> None:
    _create_records()
    _create_events()
    _create_syncs()
    _create_collection_states()
    _create_poll_state()
    _create_processed_events()
    _create_pending_fetches_and_gaps()
    _create_set_aside()
    _create_oauth_authorizations()
    _create_erased_objects()
    _create_mutations()
    _create_consumers()
    _create_rate_limit()
    _create_activity()
    _create_typed_tables()
    _tune_payload_columns()


def downgrade() -> None:
    op.execute(_DROP_TYPED_TABLES)
    op.execute(f"DROP VIEW IF EXISTS {_CONTROL}.consumer_status")
    functions = "reserve_slots", "slow_pacing", "pacing_counted", "pacing_factor", "count_requests"
    for function in functions:
        op.execute(f"DROP FUNCTION IF EXISTS {_CONTROL}.{function}")
    for function in (
        "count_new_records",
        "count_changed_records",
        "count_new_change_events",
        "count_deleted_rows",
        "count_nothing",
        "save_latencies",
    ):
        op.execute(f"DROP FUNCTION IF EXISTS {_CONTROL}.{function} CASCADE")
    for table in (
        "typed_tables",
        "sql_functions",
        "consumer_items",
        "consumer_cursors",
        "consumers",
        "mutation_changes",
        "approvals",
        "mutations",
        "oauth_authorizations",
        "pacing",
        "requests_by_minute",
        "changes_by_minute",
        "collection_counts",
        "stripe_reads",
        "retention_gaps",
        "erased_objects",
        "set_aside",
        "pending_fetches",
        "processed_events",
        "latency_percentiles",
        "poll_latency_by_half_hour",
        "poll_latency",
        "poll_state",
        "missing_objects",
        "reconcile_state",
        "collection_state",
        "stream_watchers",
        "lake_position",
        "stream_position",
        "syncs",
    ):
        op.drop_table(table, schema=_CONTROL)
    for table in ("events", "records"):
        op.drop_table(table, schema=_RAW)


def _column(name: str, kind: Any, comment: str | None = None, default: Any = None) -> Any:
    return sa.Column(name, kind, nullable=False, comment=comment, server_default=default)


def _nullable(name: str, kind: Any, comment: str | None = None) -> Any:
    return sa.Column(name, kind, nullable=True, comment=comment)


def _counter(name: str, comment: str) -> Any:
    return _column(name, _BIGINT, comment, "0")


def _create_sync_table(name: str, comment: str, key: Sequence[str], *columns: Any) -> None:
    """Create a control table whose rows are deleted with their sync.

    Args:
        name: The table.
        comment: Its comment.
        key: Columns of the primary key after ``sync_id``.
        columns: Columns after ``sync_id``, and further constraints.
    """
    op.create_table(
        name,
        _column("sync_id", _UUID, "The sync"),
        *columns,
        sa.PrimaryKeyConstraint("sync_id", *key),
        sa.ForeignKeyConstraint(["sync_id"], [f"{_CONTROL}.syncs.id"], ondelete="CASCADE"),
        schema=_CONTROL,
        comment=comment,
    )


def _create_records() -> None:
    op.create_table(
        "records",
        _column("collection_id", _KEY, "stripe:customer"),
        _column("sync_id", _UUID, "The sync"),
        _column("upstream_id", _KEY, "Stripe's id of the object"),
        _column("id", _UUID, "UUIDv5 of sync, collection, upstream id"),
        _column("resource_id", _UUID, "The Stripe account and mode"),
        _column("deleted", _BOOLEAN, "Gone from Stripe"),
        _column("payload", _JSON, "The object; NUL is stored as U+FFFD"),
        _nullable("payload_exact", _TEXT, "JSON text of the object, only where jsonb alters it"),
        _column("payload_hash", _TEXT, "Base64 of the MD5 of the canonical JSON"),
        _column("inserted_at", _MOMENT, "When the record was first stored"),
        _column("updated_at", _MOMENT, "When its newest change event was stored"),
        _column("upstream_updated_at", _MOMENT, "When Stripe changed the object"),
        _nullable("upsert_opts", _JSON, "Options of the mutation that wrote it last"),
        _column("updated_idx", _INT, "Version of the record, from 1"),
        _column("seq", _BIGINT, "Stream position of its newest event"),
        _column("observed_at", _MOMENT, "When this state was requested"),
        _column("api_version", _TEXT, "Version the payload is rendered in"),
        _nullable("parent_id", _KEY, "Stripe's id of the object that this one belongs to"),
        sa.PrimaryKeyConstraint("collection_id", "sync_id", "upstream_id"),
        schema=_RAW,
        comment="Current state of every object",
    )
    op.create_index("records_stream", "records", ["sync_id", "seq"], schema=_RAW)
    # Most records have no parent and cost this index nothing.
    op.create_index(
        "records_of_parent",
        "records",
        ["collection_id", "sync_id", "parent_id"],
        schema=_RAW,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        _column("sync_id", _UUID, "The sync"),
        _column("seq", _BIGINT, "Position in the sync's stream"),
        _column("id", _UUID, "Deterministic: replays give the same id"),
        _column("resource_id", _UUID, "The Stripe account and mode"),
        _column("collection_id", _KEY, "stripe:customer"),
        _column("upstream_id", _KEY, "Stripe's id of the object"),
        _column("event_type", _TEXT, "created, updated or deleted"),
        _nullable("changes", _JSON, "Old values of the changed keys; null unless updated"),
        _column("data", _JSON, "The object after the change; NUL is U+FFFD"),
        _nullable("data_exact", _TEXT, "JSON text of the object, only where jsonb alters it"),
        _column("created_at", _MOMENT, "When the change event was stored"),
        _column(
            "upstream_updated_at",
            _MOMENT,
            "When Stripe made the change; never before the change event before",
        ),
        _column("source", _TEXT, "backfill, poll, mutation, reconcile or erase"),
        _nullable("stripe_event_id", _TEXT, "Stripe event that reported the change, if any"),
        _column("api_version", _TEXT, "Version the data is rendered in"),
        sa.PrimaryKeyConstraint("sync_id", "seq"),
        sa.UniqueConstraint("id", name="events_id"),
        sa.CheckConstraint(
            "event_type IN ('created', 'updated', 'deleted')", name="events_event_type"
        ),
        sa.CheckConstraint(
            "source IN ('backfill', 'poll', 'mutation', 'reconcile', 'erase')", name="events_source"
        ),
        schema=_RAW,
        comment="Change events of all objects, in stream order",
    )
    # The id comes first: people look objects up by it alone, and PostgreSQL before version 18
    # cannot skip leading columns.
    of_record = ["upstream_id", "collection_id", "sync_id", "seq"]
    op.create_index("events_of_record", "events", of_record, schema=_RAW)
    op.create_index("events_created_at", "events", ["created_at"], schema=_RAW)


def _create_syncs() -> None:
    op.create_table(
        "syncs",
        _column("id", _UUID, "UUIDv5 of the name"),
        _column("name", _TEXT, "Name of the sync and of its lake folder"),
        _column("resource_id", _UUID, "The Stripe account and mode"),
        _column("account_id", _TEXT, "acct_…, or unknown:…"),
        _column("livemode", _BOOLEAN, "Live data rather than test data"),
        _column("api_version", _TEXT, "Version of all payloads"),
        _column("settings", _JSON, "Settings in effect", "{}"),
        _column(
            "overrides",
            _JSON,
            "Settings stored with the sync; they win over those of its connection",
            "{}",
        ),
        _nullable("collections", pg.ARRAY(_TEXT), "Ids of its collections; null: all"),
        _nullable("connection_id", _TEXT, "Airflow connection of its key; null: stripe_…"),
        _nullable(
            "connected_account", _TEXT, "acct_… that the key acts on; null: its connection's"
        ),
        _nullable("external_id", _TEXT, "The caller's own id of it"),
        _column("metadata", _JSON, "The caller's own data", "{}"),
        _column("status", _TEXT, "active, paused, disconnected or deleting", "active"),
        _column(
            "backfill_wanted",
            _BOOLEAN,
            "Its first backfill is to be started by stripe_reconcile, if nobody else has",
            sa.false(),
        ),
        _column("created_at", _MOMENT, default=sa.func.now()),
        _column("updated_at", _MOMENT, default=sa.func.now()),
        _nullable("account_name", _TEXT, "Name of its account, if a key could read it"),
        _nullable("key_fingerprint", _UUID, "Of the key last found to be for this account"),
        _nullable("key_checked_at", _MOMENT, "When that was found out"),
        _column(
            "stripe_ahead",
            sa.Double,
            "Seconds that Stripe's clock was ahead of the warehouse's",
            "0",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="syncs_name"),
        sa.CheckConstraint(
            "status IN ('active', 'paused', 'disconnected', 'deleting')", name="syncs_status"
        ),
        sa.CheckConstraint("name ~ '^[a-z0-9][a-z0-9_-]*$'", name="syncs_name_slug"),
        sa.CheckConstraint(
            "name !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'", name="syncs_name_id"
        ),
        schema=_CONTROL,
        comment="Syncs: one Stripe account and mode each",
    )
    _create_sync_table(
        "stream_position",
        "End of each sync's stream",
        (),
        _counter("last_seq", "Position of the newest change event; its row lock orders commits"),
    )
    _create_sync_table(
        "lake_position",
        "Stream position that the lake has reached",
        (),
        _counter("seq", "The lake has all change events up to here, except those of backfills"),
        _column(
            "writer",
            _TEXT,
            "This warehouse in the names of the lake files of backfills",
            sa.text("left(gen_random_uuid()::text, 8)"),
        ),
    )
    op.create_table(
        "stream_watchers",
        _column("name", _TEXT, "Name of the watcher"),
        _column("positions", _JSON, "Stream position up to which it has reported, by sync id"),
        _column("updated_at", _MOMENT, None, sa.func.now()),
        sa.PrimaryKeyConstraint("name"),
        schema=_CONTROL,
        comment="How far each watcher of the streams has reported",
    )


def _create_collection_states() -> None:
    _create_sync_table(
        "collection_state",
        "State of each collection's backfill",
        ("collection_id",),
        _column("collection_id", _KEY, "stripe:customer"),
        _column("status", _TEXT, "Status of the backfill", "pending"),
        _nullable("message", _TEXT, "Reason of the status"),
        _nullable("permission", _TEXT, "Permission that the key lacks"),
        _column("generation", _INT, "Number of full backfills started", "0"),
        _column("chunk", _INT, "Number of the last chunk written", "0"),
        _nullable("cursor", _JSON, "Where reading resumes; null: at the start"),
        _counter("objects", "Objects read in this generation"),
        _counter("requests", "Requests made in this generation"),
        _nullable("percent", pg.NUMERIC(5, 2), "Progress, 0 to 100; null: unknown"),
        _nullable("objects_per_second", pg.NUMERIC(12, 1), "Speed of the last run"),
        _nullable("eta", _MOMENT, "When the run will be done; null: unknown"),
        _nullable("seconds", pg.NUMERIC(12, 3), "Duration of the last run"),
        _nullable("started_at", _MOMENT),
        _nullable("finished_at", _MOMENT),
        _column("updated_at", _MOMENT, default=sa.func.now()),
        _counter(
            "searched_seq", "Records up to here were searched for ids of missing objects of it"
        ),
        sa.CheckConstraint(
            "status IN ('failed', 'running', 'pending', 'forbidden', 'unavailable', 'retired',"
            " 'done', 'empty')",
            name="collection_state_status",
        ),
    )
    _create_missing_objects()
    _create_sync_table(
        "reconcile_state",
        "Result of each collection's last reconcile, by lookback",
        ("collection_id", "window_days"),
        _column("collection_id", _KEY, "stripe:customer"),
        _column("window_days", _INT, "Lookback in days; 0: all objects"),
        _nullable("reconciled_at", _MOMENT, "Start of the last successful reconcile"),
        _counter("objects", "Objects read"),
        _counter("drift", "Records created, corrected or marked as deleted"),
        _counter("requests", "Requests made"),
        _nullable("seconds", pg.NUMERIC(12, 3), "Duration"),
        _column(
            "complete",
            _BOOLEAN,
            "Whether all objects were listed, so that deletions could be detected",
            "false",
        ),
        _nullable("message", _TEXT, "Reason of an incomplete or failed reconcile"),
    )


def _create_missing_objects() -> None:
    _create_sync_table(
        "missing_objects",
        "Objects that stored objects name and that no list returned",
        ("collection_id", "upstream_id"),
        _column("collection_id", _KEY, "stripe:price"),
        _column("upstream_id", _KEY, "Stripe's id of the object"),
        _column("named_by", _KEY, "Collection of the object that names it"),
        _column("named_by_id", _KEY, "Key of the object that names it"),
        _column("field", _TEXT, "Path in the object that names it"),
        _column(
            "status",
            _TEXT,
            "pending: to be retrieved; gone: does not exist; unlisted: stored, in no list",
            "pending",
        ),
        _nullable("message", _TEXT, "Stripe's answer, unless it returned the object"),
        _counter("attempts", "Requests that failed since it was found"),
        _nullable("retry_at", _MOMENT, "When to try again after a failure; null: at once"),
        _nullable("asked_at", _MOMENT, "When Stripe was last asked for it; null: never"),
        sa.CheckConstraint(
            "status IN ('pending', 'gone', 'unlisted')", name="missing_objects_status"
        ),
    )


def _create_erased_objects() -> None:
    op.create_table(
        "erased_objects",
        _column("sync_id", _UUID, "The sync"),
        _column("upstream_id", _KEY, "Key of the object"),
        _column("collection_id", _KEY, "stripe:customer"),
        _column("customer_id", _KEY, "The customer; empty: learnt from the lake"),
        _column("erased_at", _MOMENT, default=sa.func.now()),
        _column(
            "done",
            _BOOLEAN,
            "Whether nothing of it is stored; else the next maintenance goes on",
            "false",
        ),
        sa.PrimaryKeyConstraint("sync_id", "upstream_id", "collection_id"),
        schema=_CONTROL,
        comment="Objects that were erased and are never stored again",
    )
    op.create_index(
        "erased_objects_pending",
        "erased_objects",
        ["sync_id", "customer_id"],
        schema=_CONTROL,
        postgresql_where=sa.text("NOT done"),
    )


def _create_poll_state() -> None:
    _create_sync_table(
        "poll_state",
        "State of each sync's polling",
        (),
        _nullable(
            "cutoff", _MOMENT, "Taken before the first backfill request; polling starts here"
        ),
        _nullable("cursor", _JSON, "Where polling resumes; null: at the cutoff"),
        _nullable("polled_at", _MOMENT, "Time of the last poll that Stripe answered"),
        _nullable("events_until", _MOMENT, "The time of that poll by Stripe's clock"),
        _counter("polls", "Number of polls"),
        _counter("requests", "Number of requests by polling, fetches included"),
        _counter("rate_limited", "Number of 429 responses to those requests"),
        _counter("stripe_events", "Number of Stripe events processed"),
        _counter("changes", "Number of change events written by polling"),
        _nullable("message", _TEXT, "Error that keeps the sync from being polled, if any"),
        _nullable("message_at", _MOMENT, "When the message last changed"),
        _nullable("key_problem", _TEXT, "refused or limited: what it says of the key"),
        _nullable("transactions", _BIGINT, "Charges of 30 days at transactions_at"),
        _nullable("transactions_at", _MOMENT, "When the charges were counted"),
        _nullable("lease_owner", _TEXT, "Process that polls the sync"),
        _nullable("lease_until", _MOMENT, "When the lease expires unless renewed"),
    )
    _create_sync_table(
        "poll_latency",
        "Histogram of polling latency by minute, for the last two days",
        ("minute", "within_seconds"),
        _column("minute", _MOMENT, "Minute of the commit"),
        _column(
            "within_seconds",
            pg.NUMERIC(9, 1),
            "Upper bound of the seconds from the change in Stripe to the commit",
        ),
        _counter("stripe_events", "Number of Stripe events with this latency"),
    )
    _create_sync_table(
        "poll_latency_by_half_hour",
        "Histogram of polling latency by half hour, for the last two days",
        ("half_hour", "within_seconds"),
        _column("half_hour", _MOMENT, "Half hour of the commit"),
        _column(
            "within_seconds",
            pg.NUMERIC(9, 1),
            "Upper bound of the seconds from the change in Stripe to the commit",
        ),
        _counter("stripe_events", "Number of Stripe events with this latency"),
    )
    _create_sync_table(
        "latency_percentiles",
        "Percentiles of polling latency by half hour, for the last two days",
        ("half_hour",),
        _column("half_hour", _MOMENT, "Half hour of the commit"),
        _column("p50", sa.Double, "Median in seconds"),
        _column("p99", sa.Double, "99th percentile in seconds"),
        _counter("stripe_events", "Number of Stripe events processed"),
    )


def _create_processed_events() -> None:
    _create_sync_table(
        "processed_events",
        "Stripe events that have their change event, kept for longer than Stripe lists them",
        ("stripe_event_id",),
        _column("stripe_event_id", _KEY, "evt_…"),
        _column("created", _MOMENT, "When Stripe created the Stripe event"),
        _nullable(
            "fingerprint",
            _UUID,
            "Id of its content, to recognise a duplicate with another id; null: unknown",
        ),
        _nullable("request_id", _KEY, "Stripe's id of the request, where it may be a mutation"),
    )
    op.create_index(
        "processed_events_request",
        "processed_events",
        ["sync_id", "request_id"],
        schema=_CONTROL,
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.create_index(
        "processed_events_created", "processed_events", ["sync_id", "created"], schema=_CONTROL
    )
    op.create_index(
        "processed_events_fingerprint",
        "processed_events",
        ["sync_id", "fingerprint"],
        schema=_CONTROL,
        postgresql_where=sa.text("fingerprint IS NOT NULL"),
    )


def _create_pending_fetches_and_gaps() -> None:
    _create_sync_table(
        "pending_fetches",
        "Objects whose change events are stored while their new state is still to be fetched",
        ("collection_id", "upstream_id"),
        _column("collection_id", _KEY, "stripe:customer"),
        _column("upstream_id", _KEY, "Stripe's id of the object"),
        _column("locator", _JSON, "Fields that its retrieve request needs"),
        _column("changed_at", _MOMENT, "Its oldest change not fetched yet"),
        _nullable("fields", _JSON, "Names of the fields that it is fetched for; null: any"),
        _column("queued_at", _MOMENT, "When its newest change was queued"),
    )
    _create_sync_table(
        "retention_gaps",
        "Periods whose Stripe events could not be polled, or not before Stripe deleted them",
        ("began_at",),
        _column(
            "began_at", _MOMENT, "Last poll before the gap, by Stripe's clock, or first backfill"
        ),
        _nullable("ended_at", _MOMENT, "First poll after the gap; null: not polled yet"),
        _column("reason", _TEXT, "Why Stripe events are missing"),
        _nullable(
            "noted_at",
            _MOMENT,
            "When the gap had ended, by the warehouse's clock: what was read since is complete",
        ),
        _nullable("reconciled_at", _MOMENT, "When all collections were reconciled since"),
    )


def _create_set_aside() -> None:
    _create_sync_table(
        "set_aside",
        "Objects and Stripe events that cannot be stored as records",
        ("collection_id", "key"),
        _column("collection_id", _KEY, "stripe:customer"),
        _column("key", _KEY, "Hash of the text; name of its lake file"),
        _nullable("upstream_id", _KEY, "Stripe's id of the object, where it has one"),
        _column("reason", _TEXT, "Why it cannot be stored as a record"),
        _nullable("text", _TEXT, "Its JSON text; null: Stripe did not return it"),
        _column("observed_at", _MOMENT, "When it was requested"),
        _column("set_aside_at", _MOMENT, default=sa.func.now()),
        _column("code_version", _TEXT, "Version that could not store it"),
    )


def _create_oauth_authorizations() -> None:
    op.create_table(
        "oauth_authorizations",
        _column("id", _KEY, "Hash of the state"),
        _column("user_name", _TEXT, "Who started it"),
        _column("livemode", _BOOLEAN, "Mode of the platform's key"),
        _column("platform_id", _TEXT, "Airflow connection of that key"),
        _nullable("redirect_url", _TEXT, "Where the browser goes at the end; null: nowhere"),
        _nullable("caller_state", _JSON, "The caller's own state"),
        _column("wanted", _JSON, "Name, metadata and sync of the new credential"),
        _column("status", _TEXT, "started, claimed, exchanged, done or failed", "started"),
        _column("created_at", _MOMENT, default=sa.func.now()),
        _column("expires_at", _MOMENT, "Until when a code is accepted"),
        _nullable("code_hash", _KEY, "Hash of the code that was exchanged"),
        _nullable("claimed_at", _MOMENT, "When the exchange of the code began"),
        _nullable("account_id", _TEXT, "acct_…, once Stripe has named it"),
        _nullable("credential_id", _TEXT, "Airflow connection of the account"),
        _nullable("sync_name", _TEXT, "The sync that was created"),
        _nullable("message", _TEXT, "Why it failed"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code_hash", name="oauth_authorizations_code"),
        sa.CheckConstraint(
            "status IN ('started', 'claimed', 'exchanged', 'done', 'failed')",
            name="oauth_authorizations_status",
        ),
        schema=_CONTROL,
        comment="Authorizations of Stripe Connect, each good for one code",
    )


# A crash loses the requests of the last second, nothing else, so the table needs no WAL. Free space
# on its pages and an eager vacuum keep rows small that change a hundred times a second.
_PACING = """
CREATE UNLOGGED TABLE stripe_sync.pacing (
    account_key     text COLLATE "C" NOT NULL,
    scope           text COLLATE "C" NOT NULL,
    next_free       float8 NOT NULL DEFAULT 0,
    next_backfill   float8 NOT NULL DEFAULT 0,
    factor          float8 NOT NULL DEFAULT 1 CHECK (factor > 0 AND factor <= 1),
    slowed_at       float8 NOT NULL DEFAULT 0,
    recent          float8[] NOT NULL DEFAULT '{}',
    recent_backfill float8[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (account_key, scope)
) WITH (
    fillfactor = 10,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000
);
COMMENT ON TABLE stripe_sync.pacing IS
    'Request budget of each Stripe account: scope * for all requests, and each endpoint; times in '
    'epoch seconds';
COMMENT ON COLUMN stripe_sync.pacing.next_free IS 'Earliest next slot by spacing';
COMMENT ON COLUMN stripe_sync.pacing.next_backfill IS 'The same for backfills';
COMMENT ON COLUMN stripe_sync.pacing.factor IS 'Share of the rate in use right after slowed_at';
COMMENT ON COLUMN stripe_sync.pacing.slowed_at IS 'Time of the last 429 response';
COMMENT ON COLUMN stripe_sync.pacing.recent IS 'Last 100 slots, ascending';
COMMENT ON COLUMN stripe_sync.pacing.recent_backfill IS 'The same for backfills';
"""


def _create_mutations() -> None:
    _create_sync_table(
        "mutations",
        "Requests that change Stripe: stored before they are sent, kept for 30 days",
        ["key", "position"],
        _column("key", _KEY, "Hash of the key that the caller gave the run"),
        _column("position", _INT, "Place of the record in the run, from 0"),
        _column("collection_id", _KEY, "stripe:customer"),
        _column("kind", _TEXT, "create, update, delete or an action"),
        _column("method", _TEXT, "POST or DELETE"),
        _column("endpoint", _TEXT, "Path, /v1/customers/{id}"),
        _column("path_params", _JSON, "Values of its placeholders"),
        _nullable("body", _TEXT, "Form-encoded parameters; null: no longer needed for a request"),
        _column("body_hash", _KEY, "Hash of the request; empty: erased"),
        _column("idempotency_key", _KEY, "Key that Stripe is sent"),
        _column("attempt", _INT, "Part of that key, from 1"),
        _column("needs_approval", _BOOLEAN, "Whether it is sent only if a person approved the run"),
        _counter("tries", "How often it was marked as sent"),
        _column("status", _TEXT, "prepared, sent (outcome unknown), done or refused", "prepared"),
        _column("created_at", _MOMENT, default=sa.func.now()),
        _nullable("sent_at", _MOMENT, "When it was first sent with this key"),
        _nullable("finished_at", _MOMENT, "When its outcome was stored"),
        _nullable("request_id", _KEY, "Stripe's id of the request that was executed"),
        _nullable("result_collection_id", _KEY, "Collection of the object in the answer"),
        _nullable("upstream_id", _KEY, "Key of the object in the answer"),
        _nullable("seq", _BIGINT, "Stream position at which the record has the change"),
        _nullable("error", _JSON, "Stripe's refusal: type, code, message, param"),
        sa.CheckConstraint(
            "status IN ('prepared', 'sent', 'done', 'refused')", name="mutations_status"
        ),
    )
    op.create_index(
        "mutations_idempotency_key", "mutations", ["sync_id", "idempotency_key"], schema=_CONTROL
    )
    op.create_index(
        "mutations_sent",
        "mutations",
        ["sync_id"],
        schema=_CONTROL,
        postgresql_where=sa.text("status = 'sent'"),
    )
    op.create_table(
        "approvals",
        _column("question", _KEY, "Hash of what is asked where"),
        _nullable("mutation_key", _KEY, "Run of mutations that it is about; null: another"),
        _column("asked_at", _MOMENT, "When it was last asked"),
        _nullable("approved_by", _TEXT, "Name of the person; null: nobody approved"),
        _nullable("approved_at", _MOMENT, "When"),
        sa.PrimaryKeyConstraint("question"),
        schema=_CONTROL,
        comment="Questions whether mutations may be sent, and who approved; kept for 30 days",
    )
    _create_sync_table(
        "mutation_changes",
        "Change events of mutations, to recognise the Stripe events that report them again",
        ["seq"],
        _column("seq", _BIGINT, "Stream position of a change event that a mutation wrote"),
        _column("request_id", _KEY, "Stripe's id of the request"),
        _column("created_at", _MOMENT, default=sa.func.now()),
        _nullable(
            "stripe_event_id", _KEY, "Stripe event that reported the same change; null: none yet"
        ),
    )
    op.create_index(
        "mutation_changes_request", "mutation_changes", ["sync_id", "request_id"], schema=_CONTROL
    )


def _create_consumers() -> None:
    op.create_table(
        "consumers",
        _column("name", _KEY, "Its name"),
        _column("id", _UUID, "Its id"),
        _column("kind", _TEXT, "pull, webhook, postgres or kafka"),
        _column("stream", _TEXT, "records or events"),
        _column("filters", _JSON, "What it reads of the stream"),
        _column("deliver_policy", _TEXT, "Where it began"),
        _column("settings", _JSON, "Settings of its kind; no secrets"),
        _nullable("connection_id", _KEY, "Airflow connection of its target"),
        _column("metadata", _JSON, "The user's own values"),
        _column("created_at", _MOMENT, default=sa.func.now()),
        _column("updated_at", _MOMENT, default=sa.func.now()),
        _nullable("paused_at", _MOMENT, "Since when it is paused; null: it is not"),
        _nullable("pause_reason", _TEXT, "Why, where the delivery paused it"),
        _nullable("last_error", _TEXT, "Why the last try failed; null: it did not"),
        _nullable("failing_since", _MOMENT, "First failure since the last success"),
        _nullable("retry_at", _MOMENT, "When it is tried again"),
        _counter("failures", "Failures since the last success"),
        _counter("delivered", "Items that were delivered (pull: acknowledged)"),
        _nullable("delivered_at", _MOMENT, "When the last one was"),
        _nullable("position", _JSON, "What its sink needs to go on"),
        _counter("epoch", "Grows with each process that begins to deliver, and with each replay"),
        _nullable("lease_owner", _TEXT, "Process that delivers to it now"),
        _nullable("lease_until", _MOMENT, "Until when nobody else may"),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("id", name="consumers_id"),
        sa.CheckConstraint("stream IN ('records', 'events')", name="consumers_stream"),
        schema=_CONTROL,
        comment="Named readers of the streams",
    )
    _create_sync_table(
        "consumer_cursors",
        "How far each consumer has read each sync's stream",
        ["consumer"],
        _column("consumer", _KEY, "Name of the consumer"),
        _column("seq", _BIGINT, "It has everything up to here, but for consumer_items"),
        _column("updated_at", _MOMENT, default=sa.func.now()),
        sa.ForeignKeyConstraint(["consumer"], [f"{_CONTROL}.consumers.name"], ondelete="CASCADE"),
    )
    _create_sync_table(
        "consumer_items",
        "Items that a cursor has passed and that its consumer does not have",
        ["consumer", "seq"],
        _column("consumer", _KEY, "Name of the consumer"),
        _column("seq", _BIGINT, "Stream position of the item"),
        _column("collection_id", _KEY, "stripe:customer"),
        _column("upstream_id", _KEY, "Stripe's id of the object"),
        _column(
            "state",
            _TEXT,
            "in_flight (pull: waits for its ack), retry, parked (behind an earlier one), dead",
        ),
        _counter("deliveries", "How often it was tried"),
        _nullable("due_at", _MOMENT, "When it is tried again"),
        _nullable("token", _KEY, "Token of this delivery, which an ack must name"),
        _nullable("last_error", _TEXT, "Why the last try failed"),
        _column("created_at", _MOMENT, default=sa.func.now()),
        sa.ForeignKeyConstraint(["consumer"], [f"{_CONTROL}.consumers.name"], ondelete="CASCADE"),
        sa.CheckConstraint(
            "state IN ('in_flight', 'retry', 'parked', 'dead')", name="consumer_items_state"
        ),
    )
    of_object = ["consumer", "sync_id", "collection_id", "upstream_id", "seq"]
    op.create_index("consumer_items_object", "consumer_items", of_object, schema=_CONTROL)
    due = ["consumer", "state", "due_at"]
    op.create_index("consumer_items_due", "consumer_items", due, schema=_CONTROL)


def _create_rate_limit() -> None:
    op.create_table(
        "stripe_reads",
        _column("account_key", _TEXT, "acct_…:live or acct_…:test"),
        _column("day", sa.Date(), "UTC"),
        _counter("reads", "Number of GET requests by all processes"),
        sa.PrimaryKeyConstraint("account_key", "day"),
        schema=_CONTROL,
        comment="Use of Stripe's read allotment by account and day",
    )
    op.execute(_PACING)
    op.create_table(
        "sql_functions",
        _column("content_hash", _TEXT, "Hash of the SQL files that created the functions"),
        schema=_CONTROL,
        comment="Version of the SQL functions in this schema",
    )


def _create_activity() -> None:
    op.create_table(
        "collection_counts",
        _column("sync_id", _UUID, "The sync"),
        _column("collection_id", _KEY, "stripe:customer"),
        _counter("records", "Number of records that are not deleted"),
        _counter("deleted", "Number of records of objects that are gone from Stripe"),
        _counter("change_events", "Number of change events in the warehouse"),
        _nullable("last_change_at", _MOMENT, "When its newest change event was stored"),
        sa.PrimaryKeyConstraint("sync_id", "collection_id"),
        schema=_CONTROL,
        comment="Number of records and change events of each collection, kept by triggers",
        # Each batch updates some rows: in the room that they leave, without touching the index.
        postgresql_with={"fillfactor": "50"},
    )
    _create_sync_table(
        "changes_by_minute",
        "Change events by minute, for the last two days",
        ("minute",),
        _column("minute", _MOMENT, "Minute of the commit"),
        _counter("change_events", "Number of change events written"),
    )
    op.create_table(
        "requests_by_minute",
        _column("account_key", _TEXT, "acct_…:live or acct_…:test"),
        _column("minute", _MOMENT, "Minute of the reservation"),
        _column("kind", _TEXT, "backfill, poll, reconcile or mutation"),
        _counter("requests", "Number of requests by all processes"),
        sa.PrimaryKeyConstraint("account_key", "minute", "kind"),
        schema=_CONTROL,
        comment="Requests to Stripe by account, minute and kind, for the last two days",
    )
    op.create_index("requests_by_minute_minute", "requests_by_minute", ["minute"], schema=_CONTROL)


def _create_typed_tables() -> None:
    op.create_table(
        "typed_tables",
        _column("collection_id", _KEY, "stripe:customer"),
        _column("table_name", _TEXT, "Its typed table in stripe_raw"),
        _column("function_hash", _TEXT, "Hash of the function that writes it"),
        _column(
            "is_filled",
            _BOOLEAN,
            "Whether all rows have all columns; else the next maintenance fills them",
        ),
        _nullable("filled_sync_id", _UUID, "Filled up to this sync and key; null: none"),
        _nullable("filled_key", _KEY, "Key of the last record that was filled"),
        sa.PrimaryKeyConstraint("collection_id"),
        schema=_CONTROL,
        comment="Typed tables, one of each collection",
    )


def _tune_payload_columns() -> None:
    """Compress payloads with lz4 where the server has it, and gather no statistics of them.

    lz4 takes a fraction of pglz's time. No query filters by a whole payload, and statistics of
    payloads are expensive to gather.
    """
    has_lz4 = (
        "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    )
    if op.get_bind().scalar(sa.text(has_lz4)):
        for table, column in (("records", "payload"), ("events", "data")):
            op.execute(f"ALTER TABLE {_RAW}.{table} ALTER COLUMN {column} SET COMPRESSION lz4")
    for table, column in (("records", "payload"), ("events", "data"), ("events", "changes")):
        op.execute(f"ALTER TABLE {_RAW}.{table} ALTER COLUMN {column} SET STATISTICS 0")
