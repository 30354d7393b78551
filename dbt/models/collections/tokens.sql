-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_json('bank_account') }} as bank_account,
    {{ as_json('card') }} as card,
    {{ as_text('client_ip') }} as client_ip,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('object') }} as object,
    {{ as_text('type') }} as type,
    {{ as_boolean('used') }} as used,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:token'
