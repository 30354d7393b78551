"""Pacing by what left in the last second, so that a process that asks late loses no requests."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import context, op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COLUMNS = """
ALTER TABLE stripe_sync.pacing
    ADD COLUMN recent float8[] NOT NULL DEFAULT '{}',
    ADD COLUMN recent_backfill float8[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN stripe_sync.pacing.recent IS 'Last 100 slots, ascending';
COMMENT ON COLUMN stripe_sync.pacing.recent_backfill IS 'Same for the backfill lane (scope *)';
"""

# A limit of n a second is kept by letting slot k + n follow slot k after a second and a margin.
# That is what the limit says and no more: slots that nobody asked for in time are made up for, at
# up to 5/4 of the pace so that requests never come in a rush, instead of being lost.
#
# Limits above 100 are kept in parts: 100 slots in 100 / limit seconds.
_COUNTED = """
CREATE FUNCTION stripe_sync.pacing_counted(p_limit float8)
RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(1, least(100, floor(p_limit)))::integer;
COMMENT ON FUNCTION stripe_sync.pacing_counted IS
    'How many of the last slots decide on the next one under a limit per second';
"""

# What ranks the lanes, and why locks are taken in this order, is told in migration 0002.
_RESERVE = """
DROP FUNCTION stripe_sync.reserve_slots;
CREATE FUNCTION stripe_sync.reserve_slots(
    p_account text, p_endpoint text, p_backfill boolean, p_wanted integer,
    p_total float8, p_backfill_limit float8, p_endpoint_limit float8, p_window float8,
    p_horizon float8, p_lead float8,
    OUT server_now float8, OUT slots float8[], OUT ask_again_in float8
) LANGUAGE plpgsql AS $$
DECLARE
    account stripe_sync.pacing;
    endpoint stripe_sync.pacing;
    total_count integer := stripe_sync.pacing_counted(p_total);
    backfill_count integer := stripe_sync.pacing_counted(p_backfill_limit);
    endpoint_count integer := stripe_sync.pacing_counted(p_endpoint_limit);
    total_window float8;
    backfill_window float8;
    endpoint_window float8;
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
    total_window := p_window / stripe_sync.pacing_factor(
        account.factor, account.slowed_at, server_now);
    backfill_window := total_window * backfill_count / p_backfill_limit;
    total_window := total_window * total_count / p_total;
    endpoint_window := p_window / stripe_sync.pacing_factor(
        endpoint.factor, endpoint.slowed_at, server_now) * endpoint_count / p_endpoint_limit;

    -- Should the clock have been set back, what is remembered lies in the future: forget it.
    account.next_free := least(account.next_free, server_now + 1);
    account.next_backfill := least(account.next_backfill, server_now + 1);
    endpoint.next_free := least(endpoint.next_free, server_now + 1);
    IF account.recent[cardinality(account.recent)] > server_now + 1 THEN
        account.recent := '{}';
        account.recent_backfill := '{}';
    END IF;
    IF endpoint.recent[cardinality(endpoint.recent)] > server_now + 1 THEN
        endpoint.recent := '{}';
    END IF;

    slots := '{}';
    LOOP
        -- The slot that many back; none, and so no bound, where there were fewer so far.
        free := greatest(server_now, account.next_free,
            account.recent[cardinality(account.recent) + 1 - total_count] + total_window);
        slot := greatest(free, endpoint.next_free,
            endpoint.recent[cardinality(endpoint.recent) + 1 - endpoint_count] + endpoint_window);
        IF p_backfill THEN
            slot := greatest(slot, account.next_backfill,
                account.recent_backfill[
                    cardinality(account.recent_backfill) + 1 - backfill_count
                ] + backfill_window);
        END IF;
        ask_again_in := free - p_horizon - server_now;
        IF slot > free THEN
            ask_again_in := greatest(ask_again_in, slot - p_lead - server_now);
        END IF;
        EXIT WHEN ask_again_in > 0 OR cardinality(slots) >= p_wanted;
        slots := slots || slot;
        account.recent := account.recent || slot;
        account.next_free := slot + 0.8 * total_window / total_count;
        endpoint.recent := endpoint.recent || slot;
        endpoint.next_free := slot + 0.8 * endpoint_window / endpoint_count;
        IF p_backfill THEN
            account.recent_backfill := account.recent_backfill || slot;
            account.next_backfill := slot + 0.8 * backfill_window / backfill_count;
        END IF;
    END LOOP;
    ask_again_in := greatest(0, ask_again_in);

    -- As many as any limit counts: processes may go by limits that were set at different times.
    IF cardinality(slots) > 0 THEN
        UPDATE stripe_sync.pacing SET
            next_free = account.next_free, next_backfill = account.next_backfill,
            recent = account.recent[
                greatest(1, cardinality(account.recent) - 99):],
            recent_backfill = account.recent_backfill[
                greatest(1, cardinality(account.recent_backfill) - 99):]
        WHERE account_key = p_account AND scope = '*';
        UPDATE stripe_sync.pacing SET
            next_free = endpoint.next_free,
            recent = endpoint.recent[
                greatest(1, cardinality(endpoint.recent) - 99):]
        WHERE account_key = p_account AND scope = p_endpoint;
    END IF;
END $$;
COMMENT ON FUNCTION stripe_sync.reserve_slots IS
    'Up to p_wanted times (epoch seconds, ascending) at which requests may leave; none yet: ask '
    'again after ask_again_in seconds. Limits are requests in p_window seconds; p_horizon and '
    'p_lead are seconds ahead';
"""


def upgrade() -> None:
    for statement in (_COLUMNS, _COUNTED, _RESERVE):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION stripe_sync.reserve_slots")
    op.execute("DROP FUNCTION stripe_sync.pacing_counted")
    op.drop_column("pacing", "recent", schema="stripe_sync")
    op.drop_column("pacing", "recent_backfill", schema="stripe_sync")
    op.execute(context.script.get_revision("0002").module._RESERVE)
