{# The last line of the comments on what this project made. A dump keeps comments. #}
{% macro mark() -%}
    Made by the dbt project stripe_views.
{%- endmacro %}


{# A condition: this project made the relation with this id. #}
{% macro is_ours(relation) -%}
    exists (
        select from pg_class
        where oid = {{ relation }}
            and relkind in ('v', 'r')
            and obj_description(oid, 'pg_class') like '%{{ stripe_views.mark() }}'
    )
{%- endmacro %}


{#
    Before anything is built: fails if a schema has a relation with the name of a model that this
    project did not make, such as a table of another connector.
#}
{% macro refuse_foreign_relations() -%}
    {%- if execute -%}
        {%- set names = [] -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
            {%- do names.append("('" ~ node.schema ~ "', '" ~ node.alias ~ "')") -%}
        {%- endfor -%}
        {%- set query -%}
            select
                case relkind
                    when 'v' then 'view'
                    when 'm' then 'materialized view'
                    when 'S' then 'sequence'
                    when 'i' then 'index'
                    when 'f' then 'foreign table'
                    when 'c' then 'type'
                    else 'table'
                end || ' ' || relations.oid::regclass
            from pg_class as relations
            inner join pg_namespace as schemas on schemas.oid = relnamespace
            where (nspname, relname) in ({{ names | join(', ') }})
                and not {{ stripe_views.is_ours('relations.oid') }}
            order by relname
        {%- endset -%}
        {%- set found = run_query(query).columns[0].values() -%}
        {%- if found -%}
            {{ exceptions.raise_compiler_error(
                'Nothing was built. The schema ' ~ target.schema ~ ' has relations that this project '
                ~ 'did not make, under the names of its views: ' ~ found | join(', ')
                ~ '. They are not replaced. Choose another schema for the views by the environment '
                ~ 'variable STRIPE_VIEWS_SCHEMA, or rename these relations. A view of this project '
                ~ 'that lost its comment is recognised again after: COMMENT ON VIEW … IS '
                ~ "'" ~ stripe_views.mark() ~ "'."
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
