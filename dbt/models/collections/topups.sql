-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    typed.balance_transaction as balance_transaction,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed.description as description,
    typed.expected_availability_date as expected_availability_date,
    typed.expected_availability_date_ts as expected_availability_date_ts,
    typed.failure_code as failure_code,
    typed.failure_message as failure_message,
    typed.initiated_by as initiated_by,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.object as object,
    typed.payment_method as payment_method,
    stripe_sync.json_value(payload.object -> 'payment_method_options') as payment_method_options,
    typed.source as source,
    typed.statement_descriptor as statement_descriptor,
    typed.status as status,
    typed.transfer_group as transfer_group,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'topups') }} as typed
{{ join_payload('stripe:topup', 'typed.id') }}
