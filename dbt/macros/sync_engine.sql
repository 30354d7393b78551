{# What the views in `compat/sync_engine` have in common. #}

{# A number as int4, which Node.js reads as a number; null where it does not fit. #}
{% macro int4(column) -%}
    case when {{ column }} between -2147483648 and 2147483647 then {{ column }}::integer end
{%- endmacro %}


{# A text as a value of an enum type; null where the type does not have it. #}
{% macro enum(type, value) -%}
    {%- set type = '"' ~ stripe_views.sync_engine_schema() ~ '".' ~ type -%}
    case
        when {{ value }} = any(enum_range(null::{{ type }})::text[]) then ({{ value }})::{{ type }}
    end
{%- endmacro %}


{# The Stripe account of a row. #}
{% macro account_of(relation) -%}
    (
        select syncs.account_id
        from {{ source('stripe_sync', 'syncs') }} as syncs
        where syncs.id = {{ relation }}._sync_id
    )
{%- endmacro %}


{# The discount that a row names, as an object with the whole coupon. #}
{% macro discount_with_coupon(relation) -%}
    (
        select discounts.payload || jsonb_build_object('coupon', coupons.payload)
        from {{ ref('records') }} as discounts
        left join {{ ref('discounts') }} as named
            on named.id = discounts.upstream_id and named._sync_id = discounts.sync_id
        left join {{ ref('records') }} as coupons
            on
                coupons.collection_id = 'stripe:coupon'
                and coupons.sync_id = named._sync_id
                and coupons.upstream_id = named.coupon
        where
            discounts.collection_id = 'stripe:discount'
            and discounts.sync_id = {{ relation }}._sync_id
            and discounts.upstream_id = {{ relation }}.discount
    )
{%- endmacro %}


{# The schema of the views, also for macros that no model calls. #}
{% macro sync_engine_schema() -%}
    {%- set sync = var('compat_sync_engine') -%}
    {{ target.schema }}_sync_engine{{ '_' ~ sync if sync is string }}
{%- endmacro %}


{# Before the views are built: creates the enum types that their columns have. #}
{% macro create_enum_types() -%}
    {%- set types = {
        'invoice_status': ['draft', 'open', 'paid', 'uncollectible', 'void', 'deleted'],
        'pricing_tiers': ['graduated', 'volume'],
        'pricing_type': ['one_time', 'recurring'],
        'subscription_schedule_status': [
            'not_started', 'active', 'completed', 'released', 'canceled'
        ],
        'subscription_status': [
            'trialing', 'active', 'canceled', 'incomplete', 'incomplete_expired', 'past_due',
            'unpaid', 'paused'
        ],
    } -%}
    {%- set schema = stripe_views.sync_engine_schema() -%}
    {%- if var('compat_sync_engine') not in [false, ''] -%}
    do $types$
    begin
        {%- for type, labels in types.items() %}
        if to_regnamespace('"{{ schema }}"') is not null
            and to_regtype('"{{ schema }}".{{ type }}') is null
        then
            create type "{{ schema }}".{{ type }} as enum ('{{ labels | join("', '") }}');
        end if;
        {%- endfor %}
    end
    $types$
    {%- endif -%}
{%- endmacro %}
