-- Stores the latencies of a commit: by minute for figures of one sync; by half hour, with their
-- percentiles, for those of all syncs at once, which would be 2,000,000 rows a day by minute.

CREATE OR REPLACE FUNCTION stripe_sync.save_latencies(
    p_sync_id uuid, p_at timestamptz, p_within numeric[], p_counts bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    half_hour_of_commit timestamptz := date_bin('30 minutes', p_at, 'epoch');
BEGIN
    INSERT INTO stripe_sync.poll_latency AS l (sync_id, minute, within_seconds, stripe_events)
    SELECT p_sync_id, date_trunc('minute', p_at), u.within_seconds, u.stripe_events
    FROM unnest(p_within, p_counts) AS u (within_seconds, stripe_events)
    ON CONFLICT (sync_id, minute, within_seconds) DO UPDATE SET
        stripe_events = l.stripe_events + excluded.stripe_events;

    INSERT INTO stripe_sync.poll_latency_by_half_hour AS l (
        sync_id, half_hour, within_seconds, stripe_events)
    SELECT p_sync_id, half_hour_of_commit, u.within_seconds, u.stripe_events
    FROM unnest(p_within, p_counts) AS u (within_seconds, stripe_events)
    ON CONFLICT (sync_id, half_hour, within_seconds) DO UPDATE SET
        stripe_events = l.stripe_events + excluded.stripe_events;

    INSERT INTO stripe_sync.latency_percentiles AS l (sync_id, half_hour, p50, p99, stripe_events)
    SELECT p_sync_id, half_hour_of_commit,
        min(within_seconds) FILTER (WHERE below >= 0.5 * total),
        min(within_seconds) FILTER (WHERE below >= 0.99 * total), max(total)
    FROM (
        SELECT within_seconds, sum(stripe_events) OVER (ORDER BY within_seconds) AS below,
            sum(stripe_events) OVER () AS total
        FROM stripe_sync.poll_latency_by_half_hour
        WHERE sync_id = p_sync_id AND half_hour = half_hour_of_commit
    ) AS shares
    ON CONFLICT (sync_id, half_hour) DO UPDATE SET
        p50 = excluded.p50, p99 = excluded.p99, stripe_events = excluded.stripe_events;
END $$;
COMMENT ON FUNCTION stripe_sync.save_latencies IS
    'Adds Stripe events by the upper bound of their latency in seconds to the histograms';
