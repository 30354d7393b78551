{# The first day of the month of a moment, in UTC whatever the session's time zone. #}
{% macro month_of(moment) -%}
    date_trunc('month', {{ moment }} at time zone 'UTC')::date
{%- endmacro %}


{# The beginning of a month after some months, in UTC. #}
{% macro month_begin(month, months=0) -%}
    ({{ month }} + interval '{{ months }} months')::timestamp at time zone 'UTC'
{%- endmacro %}


{# A sum of minor units as an amount in the currency itself. #}
{% macro amount_of(minor_units, currency='currency') -%}
    "{{ target.schema }}".amount(round({{ minor_units }})::bigint, {{ currency }})
{%- endmacro %}


{# What a quantity of a price is worth a month, in minor units; null where it is not recurring. #}
{% macro monthly_amount_of(quantity, price, currency) -%}
    "{{ target.schema }}".monthly_amount({{ quantity }}, {{ price }}, {{ currency }})
{%- endmacro %}


{# An aggregate: the share of an amount that several discounts leave, one after the other. #}
{% macro share_left(percent_off, counts) -%}
    coalesce(
        case
            when bool_or({{ percent_off }} >= 100) filter (where {{ counts }}) then 0
            else round(exp(sum(ln(1 - {{ percent_off }} / 100)) filter (
                where {{ counts }} and {{ percent_off }} < 100
            )), 15)
        end,
        1
    )
{%- endmacro %}


{# The comment by which this project recognises a table that it made. #}
{% macro mark_table(description) -%}
    comment on table {{ this }} is '{{ (description ~ "\n\n" ~ stripe_views.mark()) | replace("'", "''") }}'
{%- endmacro %}
