{# The functions beside the views: name, types of the arguments. #}
{% macro function_signatures() -%}
    {{ return([('amount', 'bigint, text'), ('as_of', 'timestamptz')]) }}
{%- endmacro %}


{# Before anything is built: fails if the schema has one of the functions, made by others. #}
{% macro refuse_foreign_functions() -%}
do $check$
declare
    existing regprocedure;
begin
    {%- for name, types in stripe_views.function_signatures() %}
    existing := to_regprocedure('"{{ target.schema }}".{{ name }}({{ types }})');
    if existing is not null and coalesce(
        obj_description(existing, 'pg_proc') not like '%{{ stripe_views.mark() }}', true
    ) then
        raise exception '% was not made by this project and is not replaced', existing
            using hint = 'Choose another schema for the views, or rename it.';
    end if;
    {%- endfor %}
end
$check$
{%- endmacro %}


{# At the end, since as_of reads the views: who may read these may use it. #}
{% macro create_functions() -%}
    {{ stripe_views.create_function(
        'amount', 'minor_units bigint, currency text', 'numeric', 'immutable',
        'Amount in the currency itself, 12.34 for 1234 and usd, by Stripe\'s number of decimals.',
        stripe_views.amount_body()
    ) }}
    do $build$
    begin
        if to_regclass('"{{ target.schema }}".events') is not null
            and to_regclass('"{{ target.schema }}".records') is not null
        then
            {{ stripe_views.create_function(
                'as_of', 'moment timestamptz',
                'table (id uuid, sync_id uuid, resource_id uuid, collection_id text,'
                ~ ' upstream_id text, deleted boolean, payload jsonb, updated_at timestamptz,'
                ~ ' upstream_updated_at timestamptz, seq bigint)',
                'stable',
                'Records as they were in Stripe at a moment: the newest change event of each until'
                ~ ' then.',
                stripe_views.as_of_body()
            ) }}
        end if;
    end
    $build$
{%- endmacro %}


{% macro create_function(name, arguments, returns, volatility, description, body) -%}
create or replace function "{{ target.schema }}".{{ name }}({{ arguments }}) returns {{ returns }}
language sql {{ volatility }} parallel safe as $body$
{{ body }}
$body$;
comment on function "{{ target.schema }}".{{ name }} is
    '{{ description | replace("'", "''") }}

{{ stripe_views.mark() }}';
{%- endmacro %}


{#
    Stripe's currencies without and with three decimals: https://docs.stripe.com/currencies. ISK and
    UGX have no decimals but are sent in hundredths; HUF and TWD have two, except in payouts.
#}
{% macro amount_body() -%}
select
    case
        when lower(currency) in (
            'bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv',
            'xaf', 'xof', 'xpf'
        ) then minor_units::numeric
        when lower(currency) in ('bhd', 'jod', 'kwd', 'omr', 'tnd') then round(minor_units / 1000.0, 3)
        when currency is not null then round(minor_units / 100.0, 2)
    end
{%- endmacro %}


{% macro as_of_body() -%}
select
    records.id,
    versions.sync_id,
    versions.resource_id,
    versions.collection_id,
    versions.upstream_id,
    versions.event_type = 'deleted',
    versions.data,
    versions.created_at,
    versions.upstream_updated_at,
    versions.seq
from (
    select distinct on (events.sync_id, events.collection_id, events.upstream_id) events.*
    from "{{ target.schema }}".events as events
    where events.upstream_updated_at <= moment
    order by events.sync_id, events.collection_id, events.upstream_id, events.seq desc
) as versions
inner join "{{ target.schema }}".records as records
    on records.collection_id = versions.collection_id
        and records.sync_id = versions.sync_id
        and records.upstream_id = versions.upstream_id
{%- endmacro %}
