{#
    One macro per column type. Each reads a top-level field of `payload` and returns NULL when the
    field is absent, null or of another type: one unexpected value must not fail a whole view.

    Conditions are nested CASEs, not ANDs: PostgreSQL guarantees the order of evaluation only for
    CASE.
#}

{% macro as_text(field) -%}
    payload ->> '{{ field }}'
{%- endmacro %}

{# An id: the field itself, or the `id` of an expanded object. #}
{% macro as_id(field) -%}
    case jsonb_typeof(payload -> '{{ field }}')
        when 'object' then payload -> '{{ field }}' ->> 'id'
        else payload ->> '{{ field }}'
    end
{%- endmacro %}

{# Integers of 64 bits; other numbers are NULL. #}
{% macro as_bigint(field) -%}
    case when jsonb_typeof(payload -> '{{ field }}') = 'number' then
        case
            when (payload -> '{{ field }}')::numeric
                between -9223372036854775808 and 9223372036854775807
            then case
                when (payload -> '{{ field }}')::numeric % 1 = 0
                then (payload -> '{{ field }}')::bigint
            end
        end
    end
{%- endmacro %}

{# Decimal numbers; Stripe sends exact ones as strings. #}
{% macro as_numeric(field) -%}
    case jsonb_typeof(payload -> '{{ field }}')
        when 'number' then (payload -> '{{ field }}')::numeric
        when 'string' then
            case
                when payload ->> '{{ field }}' ~ '^[+-]?[0-9]{1,100}([.][0-9]{1,100})?$'
                then (payload ->> '{{ field }}')::numeric
            end
    end
{%- endmacro %}

{% macro as_boolean(field) -%}
    case when jsonb_typeof(payload -> '{{ field }}') = 'boolean'
        then (payload -> '{{ field }}')::boolean
    end
{%- endmacro %}

{# Unix seconds as timestamptz, within the years 1 to 9999. #}
{% macro as_timestamp(field) -%}
    case when jsonb_typeof(payload -> '{{ field }}') = 'number' then
        case
            when (payload -> '{{ field }}')::numeric between -62135596800 and 253402300799
            then to_timestamp((payload -> '{{ field }}')::double precision)
        end
    end
{%- endmacro %}

{# Lists and objects unchanged; the JSON null becomes NULL. #}
{% macro as_json(field) -%}
    nullif(payload -> '{{ field }}', 'null')
{%- endmacro %}
