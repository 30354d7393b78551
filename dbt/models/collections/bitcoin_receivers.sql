-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.active as active,
    typed.amount as amount,
    typed.amount_received as amount_received,
    typed.bitcoin_amount as bitcoin_amount,
    typed.bitcoin_amount_received as bitcoin_amount_received,
    typed.bitcoin_uri as bitcoin_uri,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed.customer as customer,
    typed.description as description,
    typed.email as email,
    typed.filled as filled,
    typed.inbound_address as inbound_address,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.object as object,
    typed.payment as payment,
    typed.refund_address as refund_address,
    payload.transactions as transactions,
    typed.uncaptured_funds as uncaptured_funds,
    typed.used_for_payment as used_for_payment,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'bitcoin_receivers') }} as typed
{{ join_payload('stripe:bitcoin_receiver', 'typed.id', [
    'transactions',
]) }}
