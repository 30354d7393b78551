{# All views are in the profile's schema, `stripe`: its name is part of the data contract. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
