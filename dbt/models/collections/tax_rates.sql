-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.active as active,
    typed.country as country,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.description as description,
    typed.display_name as display_name,
    typed.effective_percentage as effective_percentage,
    stripe_sync.json_value(payload.object -> 'flat_amount') as flat_amount,
    typed.inclusive as inclusive,
    typed.jurisdiction as jurisdiction,
    typed.jurisdiction_level as jurisdiction_level,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.object as object,
    typed.percentage as percentage,
    typed.rate_type as rate_type,
    typed.state as state,
    typed.tax_type as tax_type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'tax_rates') }} as typed
{{ join_payload('stripe:tax_rate', 'typed.id') }}
