-- The rate limiter: slots at which requests to Stripe may leave, shared by all processes.
--
-- Window:    under a limit of n, slot k + n is at least p_window seconds after slot k. Limits apply
--            to the account (scope *), its backfills, each endpoint; the last 100 slots are stored.
-- Spacing:   backfill slots are 0.8 of the average distance apart, so that catching up is no burst;
--            live requests are not spaced.
-- Slow-down: a 429 cuts the rate of its scope to 70 %, at most once a second, not below 10 %. It
--            recovers by 5 % of the full rate per second; until then live requests are spaced too.
-- Room:      at an endpoint, backfills leave free what live requests used in the last window and a
--            quarter more, and are spaced over the rest, so that a batch of changes finds its slots.
-- Priority:  live requests may reserve further ahead (p_horizon) than backfills, so they are first.
--            A slot delayed by its endpoint wastes the time before it: granted p_lead ahead only.
-- Locks:     the account's row, then the endpoint's, so that calls cannot deadlock. Then the time
--            is read from the server's clock.
--
-- The upgrade runs this file whenever it has changed. CREATE OR REPLACE cannot change parameters:
-- to do that, add a migration that drops the function first.

CREATE OR REPLACE FUNCTION stripe_sync.pacing_factor(factor float8, slowed_at float8, at float8)
RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(1, factor + 0.05 * greatest(0, at - slowed_at));
COMMENT ON FUNCTION stripe_sync.pacing_factor IS
    'Share of the rate in use: recovers by 5 % of the full rate per second after slowed_at';


CREATE OR REPLACE FUNCTION stripe_sync.pacing_counted(p_limit float8)
RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(1, least(100, floor(p_limit)))::integer;
COMMENT ON FUNCTION stripe_sync.pacing_counted IS
    'Number of past slots that decide on the next slot under a limit';


CREATE OR REPLACE FUNCTION stripe_sync.slow_pacing(p_account text, p_scope text)
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


CREATE OR REPLACE FUNCTION stripe_sync.reserve_slots(
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
    account_factor float8;
    endpoint_factor float8;
    live_count integer := 0;
    room float8;
    free float8;
    slot float8;
BEGIN
    PERFORM set_config('lock_timeout', '10s', true);
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
    account_factor := stripe_sync.pacing_factor(account.factor, account.slowed_at, server_now);
    endpoint_factor := stripe_sync.pacing_factor(endpoint.factor, endpoint.slowed_at, server_now);
    total_window := p_window / account_factor;
    backfill_window := total_window * backfill_count / p_backfill_limit;
    total_window := total_window * total_count / p_total;
    endpoint_window := p_window / endpoint_factor * endpoint_count / p_endpoint_limit;

    -- After the clock was set back, stored times lie in the future: drop them.
    account.next_free := least(account.next_free, server_now + 1);
    account.next_backfill := least(account.next_backfill, server_now + 1);
    endpoint.next_free := least(endpoint.next_free, server_now + 1);
    IF account.recent[cardinality(account.recent)] > server_now + 1 THEN
        account.recent := '{}';
        account.recent_backfill := '{}';
    END IF;
    IF endpoint.recent[cardinality(endpoint.recent)] > server_now + 1 THEN
        endpoint.recent := '{}';
        endpoint.recent_backfill := '{}';
    END IF;
    endpoint.next_backfill := least(endpoint.next_backfill, server_now + 1);

    -- The same slots: none of them was a live request's.
    IF p_backfill AND endpoint.recent IS DISTINCT FROM endpoint.recent_backfill THEN
        live_count := (
            SELECT count(*) FROM unnest(endpoint.recent) AS past
            WHERE past > server_now - endpoint_window
        ) - (
            SELECT count(*) FROM unnest(endpoint.recent_backfill) AS past
            WHERE past > server_now - endpoint_window
        );
    END IF;
    room := greatest(1, endpoint_count - 1.25 * live_count);

    slots := '{}';
    LOOP
        -- The slot that many places back is NULL, and so no bound, when there were fewer slots.
        -- Slots are given out in ascending order.
        free := greatest(server_now, account.recent[cardinality(account.recent)],
            account.recent[cardinality(account.recent) + 1 - total_count] + total_window);
        slot := greatest(free, endpoint.recent[cardinality(endpoint.recent)],
            endpoint.recent[cardinality(endpoint.recent) + 1 - endpoint_count] + endpoint_window);
        IF p_backfill OR least(account_factor, endpoint_factor) < 1 THEN
            free := greatest(free, account.next_free);
            slot := greatest(slot, free, endpoint.next_free);
        END IF;
        IF p_backfill THEN
            slot := greatest(slot, account.next_backfill,
                account.recent_backfill[
                    cardinality(account.recent_backfill) + 1 - backfill_count
                ] + backfill_window);
            IF live_count > 0 THEN
                slot := greatest(slot, endpoint.next_backfill);
            END IF;
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
            endpoint.recent_backfill := endpoint.recent_backfill || slot;
            endpoint.next_backfill := slot + endpoint_window / room;
        END IF;
    END LOOP;
    ask_again_in := greatest(0, ask_again_in);

    -- Keep as many slots as the largest limit counts: processes may use limits of different ages.
    IF cardinality(slots) > 0 THEN
        UPDATE stripe_sync.pacing SET
            next_free = account.next_free, next_backfill = account.next_backfill,
            recent = account.recent[
                greatest(1, cardinality(account.recent) - 99):],
            recent_backfill = account.recent_backfill[
                greatest(1, cardinality(account.recent_backfill) - 99):]
        WHERE account_key = p_account AND scope = '*';
        UPDATE stripe_sync.pacing SET
            next_free = endpoint.next_free, next_backfill = endpoint.next_backfill,
            recent = endpoint.recent[
                greatest(1, cardinality(endpoint.recent) - 99):],
            recent_backfill = endpoint.recent_backfill[
                greatest(1, cardinality(endpoint.recent_backfill) - 99):]
        WHERE account_key = p_account AND scope = p_endpoint;
    END IF;
END $$;
COMMENT ON FUNCTION stripe_sync.reserve_slots IS
    'Up to p_wanted times (epoch seconds, ascending) at which requests may leave; with none, call '
    'again after ask_again_in seconds. Limits are requests in p_window seconds; p_horizon and '
    'p_lead are seconds ahead';
