-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    typed.amount_captured as amount_captured,
    typed.amount_refunded as amount_refunded,
    typed.application as application,
    typed.application_fee as application_fee,
    typed.application_fee_amount as application_fee_amount,
    typed.authorization_code as authorization_code,
    typed.balance_transaction as balance_transaction,
    stripe_sync.json_value(payload.object -> 'billing_details') as billing_details,
    typed.calculated_statement_descriptor as calculated_statement_descriptor,
    typed.captured as captured,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed.customer as customer,
    typed.description as description,
    typed.disputed as disputed,
    typed.failure_balance_transaction as failure_balance_transaction,
    typed.failure_code as failure_code,
    typed.failure_message as failure_message,
    stripe_sync.json_value(payload.object -> 'fraud_details') as fraud_details,
    stripe_sync.json_value(payload.object -> 'level3') as level3,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.object as object,
    typed.on_behalf_of as on_behalf_of,
    stripe_sync.json_value(payload.object -> 'outcome') as outcome,
    typed.paid as paid,
    typed.payment_intent as payment_intent,
    typed.payment_method as payment_method,
    stripe_sync.json_value(payload.object -> 'payment_method_details') as payment_method_details,
    stripe_sync.json_value(payload.object -> 'presentment_details') as presentment_details,
    stripe_sync.json_value(payload.object -> 'radar_options') as radar_options,
    typed.receipt_email as receipt_email,
    typed.receipt_number as receipt_number,
    typed.receipt_url as receipt_url,
    typed.refunded as refunded,
    stripe_sync.json_value(payload.object -> 'refunds') as refunds,
    typed.review as review,
    stripe_sync.json_value(payload.object -> 'shipping') as shipping,
    typed.source as source,
    typed.source_transfer as source_transfer,
    typed.statement_descriptor as statement_descriptor,
    typed.statement_descriptor_suffix as statement_descriptor_suffix,
    typed.status as status,
    typed.transfer as transfer,
    stripe_sync.json_value(payload.object -> 'transfer_data') as transfer_data,
    typed.transfer_group as transfer_group,
    (
        select payments.invoice
        from {{ source('typed_tables', 'invoice_payments') }} as payments
        left join {{ source('typed_tables', 'payment_intents') }} as intents
            on intents.id = payments.payment_intent and intents._sync_id = payments._sync_id
        where
            payments._sync_id = typed._sync_id
            and payments.payment_intent = typed.payment_intent
            and not payments._deleted
        order by payments.status = 'paid' desc, payments.is_default desc, payments.created desc
        limit 1
    ) as invoice,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'charges') }} as typed
{{ join_payload('stripe:charge', 'typed.id') }}
