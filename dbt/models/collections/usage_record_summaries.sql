-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.invoice as invoice,
    typed.livemode as livemode,
    typed.object as object,
    stripe_sync.json_value(payload.object -> 'period') as period,
    typed.subscription_item as subscription_item,
    typed.total_usage as total_usage,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'usage_record_summaries') }} as typed
{{ join_payload('stripe:usage_record_summary', 'typed._upstream_id') }}
