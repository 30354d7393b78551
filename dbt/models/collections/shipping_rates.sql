-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.active as active,
    typed.created as created,
    typed.created_ts as created_ts,
    stripe_sync.json_value(payload.object -> 'delivery_estimate') as delivery_estimate,
    typed.display_name as display_name,
    stripe_sync.json_value(payload.object -> 'fixed_amount') as fixed_amount,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.object as object,
    typed.tax_behavior as tax_behavior,
    typed.tax_code as tax_code,
    typed.type as type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'shipping_rates') }} as typed
{{ join_payload('stripe:shipping_rate', 'typed.id') }}
