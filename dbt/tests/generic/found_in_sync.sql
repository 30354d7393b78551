{#
    The object that a column refers to is in the same sync. Passes for collections whose backfill is
    not complete, for example because the key lacks a permission.
#}
{% test found_in_sync(model, column_name, to, collection) %}
{%- set reference = adapter.quote(column_name) %}
select
    referrer._sync_id,
    referrer.id,
    referrer.{{ reference }} as missing
from {{ model }} as referrer
inner join {{ source('stripe_sync', 'collection_state') }} as state
    on state.sync_id = referrer._sync_id
    and state.collection_id = '{{ collection }}'
    and state.status in ('done', 'empty')
left join {{ to }} as target
    on target._sync_id = referrer._sync_id
    and target.id = referrer.{{ reference }}
where referrer.{{ reference }} is not null
    and not referrer._deleted
    and target.id is null
{% endtest %}
