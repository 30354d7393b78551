-- The warning of a sync that is not polled, for stripe.poll_status and stripe-sync check.
--
-- A poller stores the time of its last poll every few seconds. Between two runs of the DAG nobody
-- polls for some seconds. With the cadence "adaptive" a poll may be longest_poll_interval apart
-- from the last one.

CREATE OR REPLACE FUNCTION stripe_sync.not_polled_warning(
    p_status text, p_settings jsonb, p_created_at timestamptz, p_polled_at timestamptz
) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'not polled since ' || to_char(polled.last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
        || ' UTC: check that stripe_poll is not paused, and read its log'
    FROM (SELECT coalesce(p_polled_at, p_created_at) AS last_at) AS polled
    WHERE p_status = 'active' AND polled.last_at < now() - make_interval(secs => 60 + CASE
        WHEN p_settings ->> 'cadence' = 'adaptive'
            THEN 3 * coalesce((p_settings ->> 'longest_poll_interval')::float8, 300)
        ELSE 0
    END)
$$;
COMMENT ON FUNCTION stripe_sync.not_polled_warning IS
    'A sentence if an active sync was not polled for a minute (adaptive: three of its longest poll '
    'intervals more); null if it was, or is paused';
