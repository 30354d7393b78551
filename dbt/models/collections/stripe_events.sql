-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_text('account') }} as account,
    {{ as_text('api_version') }} as api_version,
    {{ as_text('context') }} as context,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_json('data') }} as data,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('object') }} as object,
    {{ as_bigint('pending_webhooks') }} as pending_webhooks,
    {{ as_json('request') }} as request,
    {{ as_text('type') }} as type,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:event'
