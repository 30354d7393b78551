{#
    Replaces views in place. dbt's default materialization (build, swap, drop cascade) would on every
    build drop views that users created on top of these, and grants. A view is dropped and created
    again only when a column was moved, renamed or retyped.
#}
{% materialization view, adapter='postgres' %}
    {%- set relation = this.incorporate(type='view') -%}
    {%- set existing = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing is not none and not existing.is_view -%}
        {{ drop_relation_if_exists(existing) }}
    {%- endif -%}

    {%- call statement('main') -%}
        do $build$
        begin
            {{ stripe_views.create_or_replace(relation, sql) }}
        exception when invalid_table_definition then
            drop view {{ relation }} cascade;
            {{ stripe_views.create_or_replace(relation, sql) }}
        end
        $build$
    {%- endcall -%}

    {%- do persist_docs(relation, model) -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [relation]}) }}
{% endmaterialization %}


{% macro create_or_replace(relation, sql) -%}
    {%- set contract = config.get('contract') -%}
    {%- if contract.enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif %}
    create or replace view {{ relation }} as (
        {{ sql }}
    );
{%- endmacro %}
