-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    stripe_sync.json_value(payload.object -> 'after_expiration') as after_expiration,
    typed.configuration as configuration,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.customer as customer,
    typed.customer_account as customer_account,
    stripe_sync.json_value(payload.object -> 'flow') as flow,
    typed.livemode as livemode,
    typed.locale as locale,
    typed.object as object,
    typed.on_behalf_of as on_behalf_of,
    typed.return_url as return_url,
    typed.url as url,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'billing_portal_sessions') }} as typed
{{ join_payload('stripe:billing_portal.session', 'typed.id') }}
