-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.account_country as account_country,
    typed.account_name as account_name,
    stripe_sync.json_value(payload.object -> 'account_tax_ids') as account_tax_ids,
    typed.amount_due as amount_due,
    typed.amount_overpaid as amount_overpaid,
    typed.amount_paid as amount_paid,
    typed.amount_paid_off_stripe as amount_paid_off_stripe,
    typed.amount_remaining as amount_remaining,
    typed.amount_shipping as amount_shipping,
    typed.application as application,
    typed.attempt_count as attempt_count,
    typed.attempted as attempted,
    typed.auto_advance as auto_advance,
    stripe_sync.json_value(payload.object -> 'automatic_tax') as automatic_tax,
    typed.automatically_finalizes_at as automatically_finalizes_at,
    typed.automatically_finalizes_at_ts as automatically_finalizes_at_ts,
    typed.billing_reason as billing_reason,
    typed.collection_method as collection_method,
    stripe_sync.json_value(payload.object -> 'confirmation_secret') as confirmation_secret,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    stripe_sync.json_value(payload.object -> 'custom_fields') as custom_fields,
    typed.customer as customer,
    typed.customer_account as customer_account,
    stripe_sync.json_value(payload.object -> 'customer_address') as customer_address,
    typed.customer_email as customer_email,
    typed.customer_name as customer_name,
    typed.customer_phone as customer_phone,
    stripe_sync.json_value(payload.object -> 'customer_shipping') as customer_shipping,
    typed.customer_tax_exempt as customer_tax_exempt,
    stripe_sync.json_value(payload.object -> 'customer_tax_ids') as customer_tax_ids,
    typed.default_payment_method as default_payment_method,
    typed.default_source as default_source,
    stripe_sync.json_value(payload.object -> 'default_tax_rates') as default_tax_rates,
    typed._deleted as deleted,
    typed.description as description,
    stripe_sync.json_value(payload.object -> 'discounts') as discounts,
    typed.due_date as due_date,
    typed.due_date_ts as due_date_ts,
    typed.effective_at as effective_at,
    typed.effective_at_ts as effective_at_ts,
    typed.ending_balance as ending_balance,
    typed.footer as footer,
    stripe_sync.json_value(payload.object -> 'from_invoice') as from_invoice,
    typed.hosted_invoice_url as hosted_invoice_url,
    typed.invoice_pdf as invoice_pdf,
    stripe_sync.json_value(payload.object -> 'issuer') as issuer,
    stripe_sync.json_value(payload.object -> 'last_finalization_error') as last_finalization_error,
    typed.latest_revision as latest_revision,
    stripe_sync.json_value(payload.object -> 'lines') as lines,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.next_payment_attempt as next_payment_attempt,
    typed.next_payment_attempt_ts as next_payment_attempt_ts,
    typed.number as number,
    typed.object as object,
    typed.on_behalf_of as on_behalf_of,
    stripe_sync.json_value(payload.object -> 'parent') as parent,
    stripe_sync.json_value(payload.object -> 'payment_settings') as payment_settings,
    stripe_sync.json_value(payload.object -> 'payments') as payments,
    typed.period_end as period_end,
    typed.period_end_ts as period_end_ts,
    typed.period_start as period_start,
    typed.period_start_ts as period_start_ts,
    typed.post_payment_credit_notes_amount as post_payment_credit_notes_amount,
    typed.pre_payment_credit_notes_amount as pre_payment_credit_notes_amount,
    typed.receipt_number as receipt_number,
    stripe_sync.json_value(payload.object -> 'rendering') as rendering,
    stripe_sync.json_value(payload.object -> 'shipping_cost') as shipping_cost,
    stripe_sync.json_value(payload.object -> 'shipping_details') as shipping_details,
    typed.starting_balance as starting_balance,
    typed.statement_descriptor as statement_descriptor,
    typed.status as status,
    stripe_sync.json_value(payload.object -> 'status_details') as status_details,
    stripe_sync.json_value(payload.object -> 'status_transitions') as status_transitions,
    typed.subtotal as subtotal,
    typed.subtotal_excluding_tax as subtotal_excluding_tax,
    typed.test_clock as test_clock,
    stripe_sync.json_value(payload.object -> 'threshold_reason') as threshold_reason,
    typed.total as total,
    stripe_sync.json_value(payload.object -> 'total_discount_amounts') as total_discount_amounts,
    typed.total_excluding_tax as total_excluding_tax,
    stripe_sync.json_value(payload.object -> 'total_pretax_credit_amounts') as total_pretax_credit_amounts,
    stripe_sync.json_value(payload.object -> 'total_taxes') as total_taxes,
    typed.webhooks_delivered_at as webhooks_delivered_at,
    typed.webhooks_delivered_at_ts as webhooks_delivered_at_ts,
    typed.discount as discount,
    typed.paid as paid,
    typed.quote as quote,
    typed.subscription as subscription,
    typed.tax as tax,
    (
        select coalesce(payments.charge, intents.latest_charge)
        from {{ source('typed_tables', 'invoice_payments') }} as payments
        left join {{ source('typed_tables', 'payment_intents') }} as intents
            on intents.id = payments.payment_intent and intents._sync_id = payments._sync_id
        where
            payments._sync_id = typed._sync_id
            and payments.invoice = typed.id
            and not payments._deleted
        order by payments.status = 'paid' desc, payments.is_default desc, payments.created desc
        limit 1
    ) as charge,
    (
        select payments.payment_intent
        from {{ source('typed_tables', 'invoice_payments') }} as payments
        left join {{ source('typed_tables', 'payment_intents') }} as intents
            on intents.id = payments.payment_intent and intents._sync_id = payments._sync_id
        where
            payments._sync_id = typed._sync_id
            and payments.invoice = typed.id
            and not payments._deleted
        order by payments.status = 'paid' desc, payments.is_default desc, payments.created desc
        limit 1
    ) as payment_intent,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'invoices') }} as typed
{{ join_payload('stripe:invoice', 'typed.id') }}
