-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.country as country,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.customer as customer,
    typed.customer_account as customer_account,
    typed._deleted as deleted,
    typed.livemode as livemode,
    typed.object as object,
    stripe_sync.json_value(payload.object -> 'owner') as owner,
    typed.type as type,
    typed.value as value,
    stripe_sync.json_value(payload.object -> 'verification') as verification,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'tax_ids') }} as typed
{{ join_payload('stripe:tax_id', 'typed.id') }}
