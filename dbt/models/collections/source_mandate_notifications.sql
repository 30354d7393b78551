-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    stripe_sync.json_value(payload.object -> 'acss_debit') as acss_debit,
    typed.amount as amount,
    stripe_sync.json_value(payload.object -> 'bacs_debit') as bacs_debit,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.livemode as livemode,
    typed.object as object,
    typed.reason as reason,
    stripe_sync.json_value(payload.object -> 'sepa_debit') as sepa_debit,
    typed.source as source,
    typed.status as status,
    typed.type as type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'source_mandate_notifications') }} as typed
{{ join_payload('stripe:source_mandate_notification', 'typed.id') }}
