{#
    Builds views in place. dbt's default materialization (build, swap, drop cascade) would on every
    build drop the views that others created on top of these, and grants.

    Columns that others read stay where they are: new columns follow the existing ones. When a column
    is gone or has another type, the view is dropped without cascade and created again with its
    grants. Where others depend on the view, it is not dropped: a column that is gone stays and is
    null, and a column of another type is an error that names who depends on it.

    A relation that this project did not make is never replaced.
#}
{% materialization view, adapter='postgres' %}
    {%- set relation = this.incorporate(type='view') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- call statement('main') -%}
        {%- if config.get('contract').enforced -%}
            {{ get_assert_columns_equivalent(sql) }}
        {%- endif %}
        {{ stripe_views.build_view(relation, sql) }}
    {%- endcall -%}

    {%- set comment = model.description ~ '\n\n' ~ stripe_views.mark() -%}
    {%- do run_query(alter_relation_comment(relation, comment)) -%}
    {%- do persist_docs(relation, model, for_relation=False) -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [relation]}) }}
{% endmaterialization %}


{% macro build_view(relation, sql) -%}
    {%- set view = relation.include(database=False) -%}
    {%- set shape = view.incorporate(path={'identifier': relation.identifier ~ '__dbt_tmp'}) -%}
do $build$
declare
    definition constant text := $view$
{{ sql }}
$view$;
    existing constant regclass := to_regclass('{{ view }}');
    column_list text;
    gone boolean;
    retyped text;
    grants text[];
    statement text;
    dependents text;
begin
    if existing is null then
        execute 'create view {{ view }} as ' || definition;
        return;
    end if;

    if not {{ stripe_views.is_ours('existing') }} then
        raise exception '% was not made by this project and is not replaced', existing
            using hint = 'Choose another schema for the views, or rename it.';
    end if;

    -- The columns that the view will have, and their types.
    execute 'create view {{ shape }} as ' || definition;
    select
        string_agg(
            case
                when built.attname is null then format('null::%s as %I', stored.type, stored.attname)
                else quote_ident(built.attname)
            end,
            ', ' order by stored.attnum nulls last, built.attnum
        ),
        bool_or(built.attname is null),
        string_agg(
            format('%I from %s to %s', attname, stored.type, built.type), ', '
        ) filter (where stored.type <> built.type)
    into column_list, gone, retyped
    from ({{ stripe_views.columns_of('existing') }}) as stored
    full join ({{ stripe_views.columns_of("'" ~ shape ~ "'::regclass") }}) as built using (attname);
    execute 'drop view {{ shape }}';

    if gone or retyped is not null then
        begin
            select coalesce(array_agg(format(
                'grant %s on {{ view }} to %s%s',
                acl.privilege_type,
                case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end,
                case when acl.is_grantable then ' with grant option' else '' end
            )), '{}')
            into grants
            from pg_class as class, aclexplode(class.relacl) as acl
            where class.oid = existing and acl.grantee <> class.relowner;

            drop view {{ view }};
            execute 'create view {{ view }} as ' || definition;
            foreach statement in array grants loop
                execute statement;
            end loop;
            return;
        exception when dependent_objects_still_exist then
            get stacked diagnostics dependents = pg_exception_detail;
            if retyped is not null then
                raise exception 'cannot change a column of %: %', existing, retyped
                    using detail = dependents,
                    hint = 'Drop what depends on the view, build again, and create it again.';
            end if;
        end;
    end if;

    execute 'create or replace view {{ view }} as select ' || column_list
        || ' from (' || definition || ') as built';
end
$build$
{%- endmacro %}


{# Names, positions and types of a relation's columns; a collation is part of the type. #}
{% macro columns_of(relation) -%}
    select
        attname,
        attnum,
        format_type(atttypid, atttypmod)
            || case when attcollation <> typcollation then ' collate ' || attcollation::regcollation
            else '' end as type
    from pg_attribute
    inner join pg_type on pg_type.oid = atttypid
    where attrelid = {{ relation }} and attnum > 0 and not attisdropped
{%- endmacro %}
