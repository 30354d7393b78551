-- Counts GET requests by account and day: Stripe allots them by the month. The caller adds granted
-- slots in the statement that reserves them.

CREATE OR REPLACE FUNCTION stripe_sync.count_reads(
    p_account text, p_endpoint text, p_slots float8[]
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO stripe_sync.stripe_reads AS r (account_key, day, reads)
    SELECT p_account, (now() AT TIME ZONE 'UTC')::date, cardinality(p_slots)
    WHERE cardinality(p_slots) > 0 AND p_endpoint LIKE 'GET %'
    ON CONFLICT (account_key, day) DO UPDATE SET reads = r.reads + excluded.reads
$$;
COMMENT ON FUNCTION stripe_sync.count_reads IS
    'Adds granted slots to the GET requests of the account today, if the endpoint is a GET';
