-- One function per type of column. Each returns NULL when the JSON value is absent, null or of another
-- type: one odd object must not stop a sync, nor fail a view. They are short enough for PostgreSQL to
-- inline them. Conditions are nested CASEs, not ANDs: only CASE has an order of evaluation.
CREATE OR REPLACE FUNCTION stripe_sync.json_text(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT value #>> '{}'
$$;

-- An id: the value itself, or the `id` of an expanded object. Stripe's ids have at most 255
-- characters; an index could not store all longer ones.
CREATE OR REPLACE FUNCTION stripe_sync.json_id(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE jsonb_typeof(value)
    WHEN 'string' THEN CASE WHEN length(value #>> '{}') <= 255 THEN value #>> '{}' END
    WHEN 'object' THEN CASE WHEN length(value ->> 'id') <= 255 THEN value ->> 'id' END
END
$$;

-- Integers of 64 bits; other numbers are NULL.
CREATE OR REPLACE FUNCTION stripe_sync.json_bigint(value jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN jsonb_typeof(value) = 'number' THEN
    CASE WHEN value::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
        CASE WHEN value::numeric % 1 = 0 THEN value::bigint END
    END
END
$$;

CREATE OR REPLACE FUNCTION stripe_sync.fits_bigint(value numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN value BETWEEN -9223372036854775808 AND 9223372036854775807 THEN value::bigint END
$$;

-- Decimal numbers; Stripe sends exact ones as strings.
CREATE OR REPLACE FUNCTION stripe_sync.json_numeric(value jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE jsonb_typeof(value)
    WHEN 'number' THEN value::numeric
    WHEN 'string' THEN
        CASE WHEN value #>> '{}' ~ '^[+-]?[0-9]{1,100}([.][0-9]{1,100})?$'
            THEN (value #>> '{}')::numeric
        END
END
$$;

CREATE OR REPLACE FUNCTION stripe_sync.json_boolean(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN jsonb_typeof(value) = 'boolean' THEN value::boolean END
$$;

-- Lists and objects unchanged; the JSON null becomes NULL.
CREATE OR REPLACE FUNCTION stripe_sync.json_value(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT nullif(value, 'null')
$$;

CREATE OR REPLACE FUNCTION stripe_sync.json_list(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN jsonb_typeof(value) = 'array' THEN value END
$$;

-- Unix seconds as timestamptz, within the years 1 to 9999: drivers cannot read others.
CREATE OR REPLACE FUNCTION stripe_sync.json_moment(value jsonb) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN jsonb_typeof(value) = 'number' THEN
    CASE WHEN value::numeric BETWEEN -62135596800 AND 253402300799
        THEN to_timestamp(value::double precision)
    END
END
$$;
