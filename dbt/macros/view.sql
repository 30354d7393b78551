{#
    Views are replaced in place. The usual way (build aside, swap, drop the old one with all that
    hangs on it) would at every build drop the views that users made on top of these and the
    rights that they granted. Only a view whose columns were moved, renamed or retyped has to be
    dropped and made anew.
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
