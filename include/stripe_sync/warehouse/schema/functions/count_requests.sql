-- Counts requests by account, minute and kind, and GET requests by account and day: Stripe allots
-- them by the month. The caller adds granted slots in the statement that reserves them.

CREATE OR REPLACE FUNCTION stripe_sync.count_requests(
    p_account text, p_endpoint text, p_kind text, p_slots float8[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(p_slots) = 0 THEN
        RETURN;
    END IF;
    INSERT INTO stripe_sync.requests_by_minute AS r (account_key, minute, kind, requests)
    VALUES (p_account, date_trunc('minute', now()), p_kind, cardinality(p_slots))
    ON CONFLICT (account_key, minute, kind) DO UPDATE SET
        requests = r.requests + excluded.requests;
    IF p_endpoint LIKE 'GET %' THEN
        INSERT INTO stripe_sync.stripe_reads AS r (account_key, day, reads)
        VALUES (p_account, (now() AT TIME ZONE 'UTC')::date, cardinality(p_slots))
        ON CONFLICT (account_key, day) DO UPDATE SET reads = r.reads + excluded.reads;
    END IF;
END $$;
COMMENT ON FUNCTION stripe_sync.count_requests IS
    'Adds granted slots to the requests of the account in this minute, and to its GET requests '
    'today, if the endpoint is a GET';
