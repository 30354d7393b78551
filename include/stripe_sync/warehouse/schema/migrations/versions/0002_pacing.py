"""The request budget of each account, shared by all processes."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Losing the rows in a crash loses nothing but the knowledge of the last second, so they need no
# WAL. Room on the pages and an eager vacuum keep rows small that change a hundred times a second.
_TABLE = """
CREATE UNLOGGED TABLE stripe_sync.pacing (
    account_key   text COLLATE "C" NOT NULL,
    scope         text COLLATE "C" NOT NULL,
    next_free     float8 NOT NULL DEFAULT 0,
    next_backfill float8 NOT NULL DEFAULT 0,
    factor        float8 NOT NULL DEFAULT 1 CHECK (factor > 0 AND factor <= 1),
    slowed_at     float8 NOT NULL DEFAULT 0,
    PRIMARY KEY (account_key, scope)
) WITH (
    fillfactor = 10,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000
);
COMMENT ON TABLE stripe_sync.pacing IS
    'Request budget per Stripe account: all requests (scope *) and each endpoint; epoch seconds';
COMMENT ON COLUMN stripe_sync.pacing.next_free IS 'When the next request may leave';
COMMENT ON COLUMN stripe_sync.pacing.next_backfill IS 'Same for the backfill lane (scope *)';
COMMENT ON COLUMN stripe_sync.pacing.factor IS 'Share of the rate in use right after slowed_at';
COMMENT ON COLUMN stripe_sync.pacing.slowed_at IS 'When Stripe last refused a request as too many';
"""

_FACTOR = """
CREATE FUNCTION stripe_sync.pacing_factor(factor float8, slowed_at float8, at float8)
RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(1, factor + 0.05 * greatest(0, at - slowed_at));
COMMENT ON FUNCTION stripe_sync.pacing_factor IS
    'Share of the rate in use: wins back 5 % of the full rate each second after slowed_at';
"""

_SLOW = """
CREATE FUNCTION stripe_sync.slow_pacing(p_account text, p_scope text)
RETURNS void LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO stripe_sync.pacing AS pacing (account_key, scope, factor, slowed_at)
    VALUES (p_account, p_scope, 0.7, extract(epoch FROM clock_timestamp()))
    ON CONFLICT (account_key, scope) DO UPDATE
    SET factor = greatest(0.1, 0.7 * stripe_sync.pacing_factor(
            pacing.factor, pacing.slowed_at, excluded.slowed_at)),
        slowed_at = excluded.slowed_at
    WHERE excluded.slowed_at >= pacing.slowed_at + 1;
END;
COMMENT ON FUNCTION stripe_sync.slow_pacing IS
    'Cuts the rate of a scope to 70 %, at most once a second, never below 10 % of the full rate';
"""

# Requests leave in slots that lie at least one step apart, for the account as a whole and for each
# endpoint. How far ahead a lane may reserve is what ranks the lanes: a lane that looks further
# ahead takes every slot before the other one may even ask for it.
#
# A slot that its endpoint (or the backfill's own rate) pushes beyond the account's next free one
# leaves a hole that nobody can use any more, so such slots are granted a short lead ahead only.
#
# All callers lock the row of the account before that of the endpoint, so none waits in a circle.
# The times are taken after the locks are held, from the one clock that all processes share. Should
# that clock ever be set back, no row blocks for longer than a second.
_RESERVE = """
CREATE FUNCTION stripe_sync.reserve_slots(
    p_account text, p_endpoint text, p_backfill boolean, p_wanted integer,
    p_total_rate float8, p_backfill_rate float8, p_endpoint_rate float8,
    p_horizon float8, p_lead float8,
    OUT server_now float8, OUT slots float8[], OUT ask_again_in float8
) LANGUAGE plpgsql AS $$
DECLARE
    account stripe_sync.pacing;
    endpoint stripe_sync.pacing;
    step float8;
    backfill_step float8;
    endpoint_step float8;
    free float8;
    slot float8;
BEGIN
    LOOP
        SELECT * INTO account FROM stripe_sync.pacing
        WHERE account_key = p_account AND scope = '*' FOR UPDATE;
        IF FOUND THEN
            SELECT * INTO endpoint FROM stripe_sync.pacing
            WHERE account_key = p_account AND scope = p_endpoint FOR UPDATE;
            EXIT WHEN FOUND;
        END IF;
        INSERT INTO stripe_sync.pacing (account_key, scope)
        VALUES (p_account, '*'), (p_account, p_endpoint) ON CONFLICT DO NOTHING;
    END LOOP;

    server_now := extract(epoch FROM clock_timestamp());
    step := stripe_sync.pacing_factor(account.factor, account.slowed_at, server_now);
    backfill_step := 1 / (p_backfill_rate * step);
    step := 1 / (p_total_rate * step);
    endpoint_step := 1 / (p_endpoint_rate * stripe_sync.pacing_factor(
        endpoint.factor, endpoint.slowed_at, server_now));
    account.next_free := least(account.next_free, server_now + 1 + step);
    account.next_backfill := least(account.next_backfill, server_now + 1 + backfill_step);
    endpoint.next_free := least(endpoint.next_free, server_now + 1 + endpoint_step);

    slots := '{}';
    LOOP
        free := greatest(server_now, account.next_free);
        slot := greatest(free, endpoint.next_free);
        IF p_backfill THEN
            slot := greatest(slot, account.next_backfill);
        END IF;
        ask_again_in := free - p_horizon - server_now;
        IF slot > free THEN
            ask_again_in := greatest(ask_again_in, slot - p_lead - server_now);
        END IF;
        EXIT WHEN ask_again_in > 0 OR cardinality(slots) >= p_wanted;
        slots := slots || slot;
        account.next_free := slot + step;
        endpoint.next_free := slot + endpoint_step;
        IF p_backfill THEN
            account.next_backfill := slot + backfill_step;
        END IF;
    END LOOP;
    ask_again_in := greatest(0, ask_again_in);

    IF cardinality(slots) > 0 THEN
        UPDATE stripe_sync.pacing
        SET next_free = account.next_free, next_backfill = account.next_backfill
        WHERE account_key = p_account AND scope = '*';
        UPDATE stripe_sync.pacing SET next_free = endpoint.next_free
        WHERE account_key = p_account AND scope = p_endpoint;
    END IF;
END $$;
COMMENT ON FUNCTION stripe_sync.reserve_slots IS
    'Up to p_wanted times (epoch seconds, ascending) at which requests may leave; none yet: ask '
    'again after ask_again_in seconds. Rates per second; p_horizon and p_lead in seconds ahead';
"""


def upgrade() -> None:
    for statement in (_TABLE, _FACTOR, _SLOW, _RESERVE):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION stripe_sync.reserve_slots")
    op.execute("DROP FUNCTION stripe_sync.slow_pacing")
    op.execute("DROP FUNCTION stripe_sync.pacing_factor")
    op.execute("DROP TABLE stripe_sync.pacing")
