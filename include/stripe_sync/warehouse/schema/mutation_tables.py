"""Tables of mutations: stored requests, approvals, their change events."""

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

mutations = sa.Table(
    "mutations",
    metadata,
    sync_key(),
    sa.Column("key", KEY, primary_key=True, comment="Hash of the key that the caller gave the run"),
    sa.Column(
        "position",
        sa.Integer,
        primary_key=True,
        autoincrement=False,
        comment="Place of the record in the run, from 0",
    ),
    sa.Column("collection_id", KEY, nullable=False, comment="stripe:customer"),
    sa.Column("kind", pg.TEXT, nullable=False, comment="create, update, delete or an action"),
    sa.Column("method", pg.TEXT, nullable=False, comment="POST or DELETE"),
    sa.Column("endpoint", pg.TEXT, nullable=False, comment="Path, /v1/customers/{id}"),
    sa.Column("path_params", pg.JSONB, nullable=False, comment="Values of its placeholders"),
    sa.Column(
        "body", pg.TEXT, comment="Form-encoded parameters; null: no longer needed for a request"
    ),
    sa.Column("body_hash", KEY, nullable=False, comment="Hash of the request; empty: erased"),
    sa.Column("idempotency_key", KEY, nullable=False, comment="Key that Stripe is sent"),
    sa.Column("attempt", sa.Integer, nullable=False, comment="Part of that key, from 1"),
    sa.Column(
        "needs_approval",
        sa.Boolean,
        nullable=False,
        comment="Whether it is sent only if a person approved the run",
    ),
    counter("tries", "How often it was marked as sent"),
    sa.Column(
        "status",
        pg.TEXT,
        nullable=False,
        server_default="prepared",
        comment="prepared, sent (outcome unknown), done or refused",
    ),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("sent_at", MOMENT, comment="When it was first sent with this key"),
    sa.Column("finished_at", MOMENT, comment="When its outcome was stored"),
    sa.Column("request_id", KEY, comment="Stripe's id of the request that was executed"),
    sa.Column("result_collection_id", KEY, comment="Collection of the object in the answer"),
    sa.Column("upstream_id", KEY, comment="Key of the object in the answer"),
    sa.Column("seq", sa.BigInteger, comment="Stream position at which the record has the change"),
    sa.Column("error", pg.JSONB, comment="Stripe's refusal: type, code, message, param"),
    sa.CheckConstraint(
        "status IN ('prepared', 'sent', 'done', 'refused')", name="mutations_status"
    ),
    sa.Index("mutations_idempotency_key", "sync_id", "idempotency_key"),
    # The few without an outcome are looked for each time that the problems of all syncs are.
    sa.Index("mutations_sent", "sync_id", postgresql_where=sa.text("status = 'sent'")),
    schema=CONTROL_SCHEMA,
    comment="Requests that change Stripe: stored before they are sent, kept for 30 days",
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("question", KEY, primary_key=True, comment="Hash of what is asked where"),
    sa.Column("mutation_key", KEY, comment="Run of mutations that it is about; null: another"),
    sa.Column("asked_at", MOMENT, nullable=False, comment="When it was last asked"),
    sa.Column("approved_by", pg.TEXT, comment="Name of the person; null: nobody approved"),
    sa.Column("approved_at", MOMENT, comment="When"),
    schema=CONTROL_SCHEMA,
    comment="Questions whether mutations may be sent, and who approved; kept for 30 days",
)

mutation_changes = sa.Table(
    "mutation_changes",
    metadata,
    sync_key(),
    sa.Column(
        "seq",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="Stream position of a change event that a mutation wrote",
    ),
    sa.Column("request_id", KEY, nullable=False, comment="Stripe's id of the request"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column(
        "stripe_event_id", KEY, comment="Stripe event that reported the same change; null: none yet"
    ),
    sa.Index("mutation_changes_request", "sync_id", "request_id"),
    schema=CONTROL_SCHEMA,
    comment="Change events of mutations, to recognise the Stripe events that report them again",
)
