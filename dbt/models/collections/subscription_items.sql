-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.billed_until as billed_until,
    typed.billed_until_ts as billed_until_ts,
    stripe_sync.json_value(payload.object -> 'billing_thresholds') as billing_thresholds,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.current_period_end as current_period_end,
    typed.current_period_end_ts as current_period_end_ts,
    typed.current_period_start as current_period_start,
    typed.current_period_start_ts as current_period_start_ts,
    stripe_sync.json_value(payload.object -> 'current_trial') as current_trial,
    typed._deleted as deleted,
    stripe_sync.json_value(payload.object -> 'discounts') as discounts,
    typed.metadata as metadata,
    typed.object as object,
    typed.plan as plan,
    typed.price as price,
    typed.quantity as quantity,
    typed.subscription as subscription,
    stripe_sync.json_value(payload.object -> 'tax_rates') as tax_rates,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq,
    typed._parent_id as _parent_id
from {{ source('typed_tables', 'subscription_items') }} as typed
{{ join_payload('stripe:subscription_item', 'typed.id') }}
