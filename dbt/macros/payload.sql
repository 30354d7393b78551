{#
    Joins the payload, for the fields that the typed table has no columns for.

    The payload is decompressed once a row, and only by queries that ask for one of these fields: an
    aggregate returns exactly one row, so PostgreSQL leaves the join out where its column is not used.

    collection: The collection's id.
    key: The typed table's column with the record's key.
#}
{% macro join_payload(collection, key) -%}
left join lateral (
    select (array_agg(payload))[1] as object
    from {{ source('stripe_raw', 'records') }}
    where
        collection_id = '{{ collection }}'
        and sync_id = typed._sync_id
        and upstream_id = {{ key }}
) as payload on true
{%- endmacro %}


{# Gathers statistics of the typed tables that have rows and were never analyzed. #}
{% macro analyze_new_tables() -%}
do $analyze$
declare
    new_table regclass;
begin
    for new_table in
        select oid from pg_class
        where
            relnamespace = 'stripe_raw'::regnamespace and relkind = 'r' and reltuples < 0
            and pg_relation_size(oid) > 0
    loop
        execute format('analyze %s', new_table);
    end loop;
end
$analyze$
{%- endmacro %}
