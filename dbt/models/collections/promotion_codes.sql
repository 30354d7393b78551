-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.active as active,
    typed.code as code,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.customer as customer,
    typed.customer_account as customer_account,
    typed.expires_at as expires_at,
    typed.expires_at_ts as expires_at_ts,
    typed.livemode as livemode,
    typed.max_redemptions as max_redemptions,
    typed.metadata as metadata,
    typed.object as object,
    stripe_sync.json_value(payload.object -> 'promotion') as promotion,
    stripe_sync.json_value(payload.object -> 'restrictions') as restrictions,
    typed.times_redeemed as times_redeemed,
    typed.coupon as coupon,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'promotion_codes') }} as typed
{{ join_payload('stripe:promotion_code', 'typed.id') }}
