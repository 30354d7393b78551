{# A condition on its columns is true for each row. #}
{% test holds(model, condition) %}
select *
from {{ model }}
where ({{ condition }}) is false
{% endtest %}
