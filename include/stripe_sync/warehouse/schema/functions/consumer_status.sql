-- A line for each consumer, for stripe.consumer_status, the HTTP API and stripe-sync consumers.
--
-- Items are counted in stream positions: those that a filter will leave out count as well, until
-- the consumer has passed them.

CREATE OR REPLACE VIEW stripe_sync.consumer_status AS
SELECT
    c.name AS consumer,
    c.id AS consumer_id,
    c.kind,
    c.stream,
    CASE
        WHEN c.paused_at IS NOT NULL THEN 'paused'
        WHEN c.last_error IS NOT NULL THEN 'failing'
        ELSE 'active'
    END AS status,
    coalesce(lag.items, 0) + items.pending AS lag_items,
    coalesce(extract(epoch FROM greatest(
        clock_timestamp() - least(lag.since, items.since), interval '0'
    )), 0)::float8 AS lag_seconds,
    c.delivered,
    c.delivered_at,
    items.pending,
    items.dead,
    c.last_error,
    c.failing_since,
    c.retry_at,
    c.paused_at,
    c.pause_reason,
    CASE
        WHEN c.kind <> 'pull' AND c.paused_at IS NULL AND (
            c.lease_until IS NULL OR c.lease_until < clock_timestamp() - interval '1 minute'
        ) THEN 'nobody delivers to it: unpause stripe_deliver'
        WHEN c.kind = 'pull'
            AND items.in_flight >= coalesce((c.settings ->> 'max_ack_pending')::numeric, 1000)
            THEN items.in_flight || ' items wait for their acks: nothing more is delivered'
        WHEN c.stream = 'events' AND lag.is_cut
            THEN 'change events that it has not read were deleted by age (keep_events_days)'
        WHEN items.dead > 0 THEN items.dead || ' dead letters: see stripe-sync consumers dead-letters'
    END AS warning
FROM stripe_sync.consumers AS c
LEFT JOIN LATERAL (
    SELECT sum(p.last_seq - coalesce(k.seq, 0))::bigint AS items, min(first.created_at) AS since,
        -- Each position has a change event at first.
        bool_or(next.number < least(p.last_seq - k.seq, 100)) AS is_cut
    FROM stripe_sync.syncs AS s
    JOIN stripe_sync.stream_position AS p ON p.sync_id = s.id
    LEFT JOIN stripe_sync.consumer_cursors AS k ON k.sync_id = s.id AND k.consumer = c.name
    LEFT JOIN LATERAL (
        SELECT e.created_at FROM stripe_raw.events AS e
        WHERE e.sync_id = s.id AND e.seq > coalesce(k.seq, 0) ORDER BY e.seq LIMIT 1
    ) AS first ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS number FROM stripe_raw.events AS e
        WHERE c.stream = 'events' AND e.sync_id = s.id AND e.seq > k.seq AND e.seq <= k.seq + 100
    ) AS next ON true
    WHERE s.status <> 'deleting' AND p.last_seq > coalesce(k.seq, 0) AND (
        c.filters -> 'sync_id' = '[]'
        OR c.filters -> 'sync_id' ?| ARRAY[s.name, s.id::text]
    )
) AS lag ON true
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE i.state <> 'dead') AS pending,
        count(*) FILTER (WHERE i.state = 'dead') AS dead,
        count(*) FILTER (WHERE i.state = 'in_flight') AS in_flight,
        min(i.created_at) FILTER (WHERE i.state <> 'dead') AS since
    FROM stripe_sync.consumer_items AS i WHERE i.consumer = c.name
) AS items;
COMMENT ON VIEW stripe_sync.consumer_status IS 'A line for each consumer: lag, last error, counts';
