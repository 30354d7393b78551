-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.account as account,
    typed.account_holder_name as account_holder_name,
    typed.account_holder_type as account_holder_type,
    typed.account_type as account_type,
    stripe_sync.json_value(payload.object -> 'available_payout_methods') as available_payout_methods,
    typed.bank_name as bank_name,
    typed.country as country,
    typed.currency as currency,
    typed.customer as customer,
    typed.default_for_currency as default_for_currency,
    typed._deleted as deleted,
    typed.fingerprint as fingerprint,
    stripe_sync.json_value(payload.object -> 'future_requirements') as future_requirements,
    typed.last4 as last4,
    typed.metadata as metadata,
    typed.object as object,
    stripe_sync.json_value(payload.object -> 'requirements') as requirements,
    typed.routing_number as routing_number,
    typed.status as status,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'bank_accounts') }} as typed
{{ join_payload('stripe:bank_account', 'typed.id') }}
