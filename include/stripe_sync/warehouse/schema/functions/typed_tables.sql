-- Keeps the typed tables equal to the records, in the transaction that writes the records and
-- whoever writes them. A function for each collection (stripe_raw.write_typed_invoice and so on, made by
-- warehouse/typed_tables/statements.py) reads the payloads of the rows that a statement changed.
CREATE OR REPLACE FUNCTION stripe_raw.write_typed_tables() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT sync_id, collection_id, array_agg(upstream_id) AS keys
        FROM changed_rows GROUP BY sync_id, collection_id
    LOOP
        -- Collections that are read only to find others have no typed table.
        IF EXISTS (SELECT FROM stripe_sync.typed_tables WHERE collection_id = part.collection_id)
        THEN
            EXECUTE format(
                'SELECT stripe_raw.%I($1, $2, $3)',
                'write_typed_' || replace(substr(part.collection_id, 8), '.', '_')
            ) USING part.sync_id, part.keys, TG_OP = 'INSERT';
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER typed_tables_insert AFTER INSERT ON stripe_raw.records
REFERENCING NEW TABLE AS changed_rows
FOR EACH STATEMENT EXECUTE FUNCTION stripe_raw.write_typed_tables();

CREATE OR REPLACE TRIGGER typed_tables_update AFTER UPDATE ON stripe_raw.records
REFERENCING NEW TABLE AS changed_rows
FOR EACH STATEMENT EXECUTE FUNCTION stripe_raw.write_typed_tables();

CREATE OR REPLACE TRIGGER typed_tables_delete AFTER DELETE ON stripe_raw.records
REFERENCING OLD TABLE AS changed_rows
FOR EACH STATEMENT EXECUTE FUNCTION stripe_raw.write_typed_tables();
