"""Table of the authorizations of Stripe Connect."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from stripe_sync.warehouse.schema.tables import CONTROL_SCHEMA, KEY, MOMENT, metadata

oauth_authorizations = sa.Table(
    "oauth_authorizations",
    metadata,
    sa.Column("id", KEY, primary_key=True, comment="Hash of the state"),
    sa.Column("user_name", pg.TEXT, nullable=False, comment="Who started it"),
    sa.Column("livemode", sa.Boolean, nullable=False, comment="Mode of the platform's key"),
    sa.Column("platform_id", pg.TEXT, nullable=False, comment="Airflow connection of that key"),
    sa.Column("redirect_url", pg.TEXT, comment="Where the browser goes at the end; null: nowhere"),
    sa.Column("caller_state", pg.JSONB, comment="The caller's own state"),
    sa.Column(
        "wanted", pg.JSONB, nullable=False, comment="Name, metadata and sync of the new credential"
    ),
    sa.Column(
        "status",
        pg.TEXT,
        nullable=False,
        server_default="started",
        comment="started, claimed, exchanged, done or failed",
    ),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", MOMENT, nullable=False, comment="Until when a code is accepted"),
    sa.Column("code_hash", KEY, comment="Hash of the code that was exchanged"),
    sa.Column("claimed_at", MOMENT, comment="When the exchange of the code began"),
    sa.Column("account_id", pg.TEXT, comment="acct_…, once Stripe has named it"),
    sa.Column("credential_id", pg.TEXT, comment="Airflow connection of the account"),
    sa.Column("sync_name", pg.TEXT, comment="The sync that was created"),
    sa.Column("message", pg.TEXT, comment="Why it failed"),
    sa.UniqueConstraint("code_hash", name="oauth_authorizations_code"),
    sa.CheckConstraint(
        "status IN ('started', 'claimed', 'exchanged', 'done', 'failed')",
        name="oauth_authorizations_status",
    ),
    schema=CONTROL_SCHEMA,
    comment="Authorizations of Stripe Connect, each good for one code",
)
