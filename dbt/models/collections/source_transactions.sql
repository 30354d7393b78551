-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    stripe_sync.json_value(payload.object -> 'ach_credit_transfer') as ach_credit_transfer,
    typed.amount as amount,
    stripe_sync.json_value(payload.object -> 'chf_credit_transfer') as chf_credit_transfer,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    stripe_sync.json_value(payload.object -> 'gbp_credit_transfer') as gbp_credit_transfer,
    typed.livemode as livemode,
    typed.object as object,
    stripe_sync.json_value(payload.object -> 'paper_check') as paper_check,
    stripe_sync.json_value(payload.object -> 'sepa_credit_transfer') as sepa_credit_transfer,
    typed.source as source,
    typed.status as status,
    typed.type as type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'source_transactions') }} as typed
{{ join_payload('stripe:source_transaction', 'typed.id') }}
