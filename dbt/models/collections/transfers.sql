-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    typed.amount_reversed as amount_reversed,
    typed.balance_transaction as balance_transaction,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed.description as description,
    typed.destination as destination,
    typed.destination_payment as destination_payment,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.object as object,
    stripe_sync.json_value(payload.object -> 'reversals') as reversals,
    typed.reversed as reversed,
    typed.source_transaction as source_transaction,
    typed.source_type as source_type,
    typed.transfer_group as transfer_group,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'transfers') }} as typed
{{ join_payload('stripe:transfer', 'typed.id') }}
