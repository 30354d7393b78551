-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    stripe_sync.json_value(payload.object -> 'balance_transactions') as balance_transactions,
    typed.charge as charge,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    stripe_sync.json_value(payload.object -> 'enhanced_eligibility_types') as enhanced_eligibility_types,
    stripe_sync.json_value(payload.object -> 'evidence') as evidence,
    stripe_sync.json_value(payload.object -> 'evidence_details') as evidence_details,
    typed.intended_submission_method as intended_submission_method,
    typed.is_charge_refundable as is_charge_refundable,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.network_reason_code as network_reason_code,
    typed.object as object,
    typed.payment_intent as payment_intent,
    stripe_sync.json_value(payload.object -> 'payment_method_details') as payment_method_details,
    typed.reason as reason,
    typed.status as status,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'disputes') }} as typed
{{ join_payload('stripe:dispute', 'typed.id') }}
