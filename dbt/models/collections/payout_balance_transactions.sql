-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.amount as amount,
    typed.available_on as available_on,
    typed.available_on_ts as available_on_ts,
    typed.balance_type as balance_type,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed.description as description,
    typed.exchange_rate as exchange_rate,
    typed.fee as fee,
    stripe_sync.json_value(payload.object -> 'fee_details') as fee_details,
    typed.net as net,
    typed.object as object,
    typed.reporting_category as reporting_category,
    typed.source as source,
    typed.status as status,
    typed.type as type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'payout_balance_transactions') }} as typed
{{ join_payload('stripe:payout_balance_transaction', 'typed._upstream_id') }}
