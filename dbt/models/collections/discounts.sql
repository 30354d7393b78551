-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.checkout_session as checkout_session,
    typed.customer as customer,
    typed.customer_account as customer_account,
    typed._deleted as deleted,
    typed."end" as "end",
    typed.end_ts as end_ts,
    typed.invoice as invoice,
    typed.invoice_item as invoice_item,
    typed.object as object,
    typed.promotion_code as promotion_code,
    stripe_sync.json_value(payload.object -> 'source') as source,
    typed.start as start,
    typed.start_ts as start_ts,
    typed.subscription as subscription,
    typed.subscription_item as subscription_item,
    typed.coupon as coupon,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'discounts') }} as typed
{{ join_payload('stripe:discount', 'typed.id') }}
