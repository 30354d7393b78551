-- Keeps the numbers of records and change events in the transaction that writes them, whoever
-- writes them, so that nobody has to count the rows of large tables.
--
-- Locks: those who write records or change events have locked the sync's stream position before.
-- Those who only delete lock it here. So no two transactions wait for each other's counts.

CREATE OR REPLACE FUNCTION stripe_sync.count_new_records() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO stripe_sync.collection_counts AS c (
        sync_id, collection_id, records, deleted, last_change_at)
    SELECT sync_id, collection_id, count(*) FILTER (WHERE NOT deleted),
        count(*) FILTER (WHERE deleted), max(updated_at)
    FROM new_rows GROUP BY sync_id, collection_id
    ON CONFLICT (sync_id, collection_id) DO UPDATE SET
        records = c.records + excluded.records, deleted = c.deleted + excluded.deleted,
        last_change_at = greatest(c.last_change_at, excluded.last_change_at);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION stripe_sync.count_changed_records() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE stripe_sync.collection_counts AS c SET
        records = c.records + changed.records, deleted = c.deleted - changed.records,
        last_change_at = greatest(c.last_change_at, changed.last_change_at)
    FROM (
        SELECT sync_id, collection_id, sum(records) AS records, max(updated_at) AS last_change_at
        FROM (
            SELECT sync_id, collection_id, updated_at, (NOT deleted)::integer AS records
            FROM new_rows
            UNION ALL
            SELECT sync_id, collection_id, updated_at, -(NOT deleted)::integer FROM old_rows
        ) AS versions
        GROUP BY sync_id, collection_id
    ) AS changed
    WHERE c.sync_id = changed.sync_id AND c.collection_id = changed.collection_id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION stripe_sync.count_new_change_events() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH counted AS (
        SELECT sync_id, collection_id, count(*) AS change_events
        FROM new_rows GROUP BY sync_id, collection_id
    ), by_minute AS (
        INSERT INTO stripe_sync.changes_by_minute AS m (sync_id, minute, change_events)
        SELECT sync_id, date_trunc('minute', clock_timestamp()), sum(change_events)
        FROM counted GROUP BY sync_id
        ON CONFLICT (sync_id, minute) DO UPDATE SET
            change_events = m.change_events + excluded.change_events
    )
    INSERT INTO stripe_sync.collection_counts AS c (sync_id, collection_id, change_events)
    SELECT sync_id, collection_id, change_events FROM counted
    ON CONFLICT (sync_id, collection_id) DO UPDATE SET
        change_events = c.change_events + excluded.change_events;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION stripe_sync.count_deleted_rows() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM stripe_sync.stream_position
    WHERE sync_id IN (SELECT sync_id FROM old_rows) ORDER BY sync_id FOR UPDATE;
    IF TG_TABLE_NAME = 'events' THEN
        UPDATE stripe_sync.collection_counts AS c
        SET change_events = c.change_events - gone.change_events
        FROM (
            SELECT sync_id, collection_id, count(*) AS change_events
            FROM old_rows GROUP BY sync_id, collection_id
        ) AS gone
        WHERE c.sync_id = gone.sync_id AND c.collection_id = gone.collection_id;
    ELSE
        UPDATE stripe_sync.collection_counts AS c
        SET records = c.records - gone.records, deleted = c.deleted - gone.deleted
        FROM (
            SELECT sync_id, collection_id, count(*) FILTER (WHERE NOT deleted) AS records,
                count(*) FILTER (WHERE deleted) AS deleted
            FROM old_rows GROUP BY sync_id, collection_id
        ) AS gone
        WHERE c.sync_id = gone.sync_id AND c.collection_id = gone.collection_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION stripe_sync.count_nothing() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'events' THEN
        UPDATE stripe_sync.collection_counts SET change_events = 0;
    ELSE
        UPDATE stripe_sync.collection_counts SET records = 0, deleted = 0;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER counts_insert AFTER INSERT ON stripe_raw.records
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION stripe_sync.count_new_records();

CREATE OR REPLACE TRIGGER counts_update AFTER UPDATE ON stripe_raw.records
REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION stripe_sync.count_changed_records();

CREATE OR REPLACE TRIGGER counts_delete AFTER DELETE ON stripe_raw.records
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION stripe_sync.count_deleted_rows();

CREATE OR REPLACE TRIGGER counts_truncate AFTER TRUNCATE ON stripe_raw.records
FOR EACH STATEMENT EXECUTE FUNCTION stripe_sync.count_nothing();

CREATE OR REPLACE TRIGGER counts_insert AFTER INSERT ON stripe_raw.events
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION stripe_sync.count_new_change_events();

CREATE OR REPLACE TRIGGER counts_delete AFTER DELETE ON stripe_raw.events
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION stripe_sync.count_deleted_rows();

CREATE OR REPLACE TRIGGER counts_truncate AFTER TRUNCATE ON stripe_raw.events
FOR EACH STATEMENT EXECUTE FUNCTION stripe_sync.count_nothing();
