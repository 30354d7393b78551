-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount_paid as amount_paid,
    typed.amount_requested as amount_requested,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed.invoice as invoice,
    typed.is_default as is_default,
    typed.livemode as livemode,
    typed.object as object,
    stripe_sync.json_value(payload.object -> 'payment') as payment,
    typed.status as status,
    stripe_sync.json_value(payload.object -> 'status_transitions') as status_transitions,
    typed.charge as charge,
    typed.payment_intent as payment_intent,
    typed.payment_record as payment_record,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'invoice_payments') }} as typed
{{ join_payload('stripe:invoice_payment', 'typed.id') }}
