{#
    One macro per type of column. Each reads a top-level field of `payload` and gives NULL where
    the field is absent, null, or holds something else than it should: one odd object must not
    make a whole view fail. The payload itself stays as it came.

    Conditions are nested CASEs, not ANDs: Postgres promises an order only for CASE.
#}

{% macro as_text(field) -%}
    payload ->> '{{ field }}'
{%- endmacro %}

{# An id, be it the id alone or the object that it stands for. #}
{% macro as_id(field) -%}
    case jsonb_typeof(payload -> '{{ field }}')
        when 'object' then payload -> '{{ field }}' ->> 'id'
        else payload ->> '{{ field }}'
    end
{%- endmacro %}

{# Whole numbers that fit; a fraction is not rounded, it is no whole number. #}
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

{# Numbers with a fraction; Stripe writes exact ones as strings. #}
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

{# Seconds since 1970 as a moment, within the years 1 to 9999. #}
{% macro as_timestamp(field) -%}
    case when jsonb_typeof(payload -> '{{ field }}') = 'number' then
        case
            when (payload -> '{{ field }}')::numeric between -62135596800 and 253402300799
            then to_timestamp((payload -> '{{ field }}')::double precision)
        end
    end
{%- endmacro %}

{# Lists and structures as they are; the JSON null becomes NULL. #}
{% macro as_json(field) -%}
    nullif(payload -> '{{ field }}', 'null')
{%- endmacro %}
