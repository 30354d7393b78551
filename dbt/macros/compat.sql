{#
    The views under the names of other connectors, `compat/`, are for all syncs or for one: where it
    is one, its name is the value of the folder's variable.
#}

{# A condition: the row is of a sync that the views are for. #}
{% macro of_chosen_sync(variable, sync_id='_sync_id') -%}
    {%- if var(variable) is string -%}
        {{ sync_id }} = (
        select id from {{ source('stripe_sync', 'syncs') }}
        where name = '{{ var(variable) | replace("'", "''") }}'
    )
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{# Before anything is built: fails if such a variable names no sync, once there are any. #}
{% macro refuse_unknown_syncs() -%}
    {%- if execute -%}
        {%- for variable in ['compat_fivetran', 'compat_sync_engine'] if var(variable) is string and var(variable) -%}
            {%- set query -%}
                select name from {{ source('stripe_sync', 'syncs') }} order by name
            {%- endset -%}
            {%- set names = run_query(query).columns[0].values() -%}
            {%- if names and var(variable) not in names -%}
                {{ exceptions.raise_compiler_error(
                    'Nothing was built. The variable ' ~ variable ~ ' names no sync: '
                    ~ var(variable) ~ '. It is true for all syncs, or the name of one of: '
                    ~ names | join(', ')
                ) }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}


{# A model named <folder>__<name> is the view <name>: names of models are unique in a project. #}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {{ custom_alias_name or node.name.split('__') | last }}
{%- endmacro %}
