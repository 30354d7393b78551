{#
    Joins the fields of the payload that the typed table has no columns for.

    The payload is read and decoded once a row, and only by queries that ask for one of these fields:
    an aggregate returns exactly one row, so PostgreSQL leaves the join out where none of its columns is
    used.

    collection: The collection's id.
    key: The typed table's column with the record's key.
    fields: Names of the fields.
#}
{% macro join_payload(collection, key, fields) -%}
left join lateral (
    select
        {%- for field in fields %}
        (array_agg(stripe_sync.json_value(decoded."{{ field }}")))[1] as "{{ field }}"
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ source('stripe_raw', 'records') }} as records
    cross join lateral jsonb_to_record(records.payload) as decoded (
        {%- for field in fields %}
        "{{ field }}" jsonb
        {{- ',' if not loop.last }}
        {%- endfor %}
    )
    where
        records.collection_id = '{{ collection }}'
        and records.sync_id = typed._sync_id
        and records.upstream_id = {{ key }}
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
