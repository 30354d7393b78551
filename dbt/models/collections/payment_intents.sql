-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    stripe_sync.json_value(payload.object -> 'allowed_payment_method_types') as allowed_payment_method_types,
    typed.amount as amount,
    typed.amount_capturable as amount_capturable,
    stripe_sync.json_value(payload.object -> 'amount_details') as amount_details,
    typed.amount_received as amount_received,
    typed.application as application,
    typed.application_fee_amount as application_fee_amount,
    stripe_sync.json_value(payload.object -> 'automatic_payment_methods') as automatic_payment_methods,
    typed.canceled_at as canceled_at,
    typed.canceled_at_ts as canceled_at_ts,
    typed.cancellation_reason as cancellation_reason,
    typed.capture_method as capture_method,
    typed.client_secret as client_secret,
    typed.confirmation_method as confirmation_method,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed.customer as customer,
    typed.customer_account as customer_account,
    typed.description as description,
    stripe_sync.json_value(payload.object -> 'excluded_payment_method_types') as excluded_payment_method_types,
    stripe_sync.json_value(payload.object -> 'hooks') as hooks,
    stripe_sync.json_value(payload.object -> 'last_payment_error') as last_payment_error,
    typed.latest_charge as latest_charge,
    typed.livemode as livemode,
    stripe_sync.json_value(payload.object -> 'managed_payments') as managed_payments,
    typed.metadata as metadata,
    stripe_sync.json_value(payload.object -> 'next_action') as next_action,
    typed.object as object,
    typed.on_behalf_of as on_behalf_of,
    stripe_sync.json_value(payload.object -> 'payment_details') as payment_details,
    typed.payment_method as payment_method,
    stripe_sync.json_value(payload.object -> 'payment_method_configuration_details') as payment_method_configuration_details,
    stripe_sync.json_value(payload.object -> 'payment_method_options') as payment_method_options,
    stripe_sync.json_value(payload.object -> 'payment_method_types') as payment_method_types,
    typed.payment_record as payment_record,
    stripe_sync.json_value(payload.object -> 'presentment_details') as presentment_details,
    stripe_sync.json_value(payload.object -> 'processing') as processing,
    typed.receipt_email as receipt_email,
    typed.review as review,
    typed.setup_future_usage as setup_future_usage,
    stripe_sync.json_value(payload.object -> 'shipping') as shipping,
    typed.source as source,
    typed.statement_descriptor as statement_descriptor,
    typed.statement_descriptor_suffix as statement_descriptor_suffix,
    typed.status as status,
    stripe_sync.json_value(payload.object -> 'transfer_data') as transfer_data,
    typed.transfer_group as transfer_group,
    (
        select payments.invoice
        from {{ source('typed_tables', 'invoice_payments') }} as payments
        left join {{ source('typed_tables', 'payment_intents') }} as intents
            on intents.id = payments.payment_intent and intents._sync_id = payments._sync_id
        where
            payments._sync_id = typed._sync_id
            and payments.payment_intent = typed.id
            and not payments._deleted
        order by payments.status = 'paid' desc, payments.is_default desc, payments.created desc
        limit 1
    ) as invoice,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'payment_intents') }} as typed
{{ join_payload('stripe:payment_intent', 'typed.id') }}
