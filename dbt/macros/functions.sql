{# The functions beside the views: name, types of the arguments. #}
{% macro function_signatures() -%}
    {{ return([
        ('amount', 'bigint, text'),
        ('as_of', 'timestamptz'),
        ('monthly_amount', 'bigint, jsonb, text'),
    ]) }}
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


{# Those that the marts use, before them. #}
{% macro create_functions() -%}
    {{ stripe_views.create_function(
        'amount', 'minor_units bigint, currency text', 'numeric', 'immutable',
        'Amount in the currency itself, 12.34 for 1234 and usd, by Stripe\'s number of decimals.',
        stripe_views.amount_body()
    ) }}
    {{ stripe_views.create_function(
        'monthly_amount', 'quantity bigint, price jsonb, currency text', 'numeric', 'immutable',
        'What a quantity of a recurring price is worth a month, in minor units with fractions, before'
        ~ ' discounts and tax; price is a row of the view prices as JSON. Null for metered prices,'
        ~ ' one-time prices, and prices without amounts in the currency.',
        stripe_views.monthly_amount_body()
    ) }}
{%- endmacro %}


{# At the end, since it reads the views: who may read these may use it. #}
{% macro create_as_of() -%}
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


{#
    Stripe's rules: https://docs.stripe.com/billing/subscriptions/analytics/glossary. Graduated tiers
    price the units inside of each tier, volume tiers all units by the tier of the last one; a flat
    amount counts once a tier is reached, that of the first tier also for no units.
#}
{% macro monthly_amount_body() -%}
select
    case
        when priced.scheme = 'tiered' then (
            select
                case price ->> 'tiers_mode'
                    when 'graduated' then sum(
                        tier.flat + tier.unit * (least(units.count, tier.up_to) - tier.above)
                    )
                    when 'volume' then max(tier.flat + tier.unit * units.count)
                        filter (where units.count <= tier.up_to)
                end
            from (
                select
                    coalesce((each ->> 'flat_amount_decimal')::numeric, 0) as flat,
                    coalesce((each ->> 'unit_amount_decimal')::numeric, 0) as unit,
                    coalesce((each ->> 'up_to')::numeric, 'infinity') as up_to,
                    lag((each ->> 'up_to')::numeric, 1, 0) over (order by number) as above
                from jsonb_array_elements(
                    case when jsonb_typeof(priced.amounts -> 'tiers') = 'array'
                        then priced.amounts -> 'tiers'
                    end
                ) with ordinality as tiers (each, number)
            ) as tier
            where tier.above = 0 or units.count > tier.above
        )
        else units.count * coalesce(
            (priced.amounts ->> 'unit_amount_decimal')::numeric,
            (priced.amounts ->> 'unit_amount')::numeric
        )
    end
    * case price -> 'recurring' ->> 'interval'
        when 'day' then 365
        when 'week' then 52
        when 'month' then 12
        when 'year' then 1
    end
    / (12 * nullif((price -> 'recurring' ->> 'interval_count')::numeric, 0))
from (
    select
        price ->> 'billing_scheme' as scheme,
        case
            when price ->> 'currency' = currency then price
            else price -> 'currency_options' -> currency
        end as amounts
) as priced
cross join lateral (
    select
        case price -> 'transform_quantity' ->> 'round'
            when 'up' then ceil(packages)
            when 'down' then floor(packages)
            else quantity
        end as count
    from (
        select quantity / nullif((price -> 'transform_quantity' ->> 'divide_by')::numeric, 0)
    ) as divided (packages)
) as units
where price -> 'recurring' ->> 'usage_type' is distinct from 'metered'
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
