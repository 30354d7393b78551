{# Within a sync the key of each object is unique and not null. #}
{% test unique_in_sync(model, columns) %}
{%- set key = [] %}
{%- for column in columns %}{% do key.append(adapter.quote(column)) %}{% endfor %}
select
    _sync_id,
    {{ key | join(', ') }},
    count(*) as objects
from {{ model }}
group by _sync_id, {{ key | join(', ') }}
having count(*) > 1
{%- for column in key %} or {{ column }} is null{% endfor %}
{% endtest %}
