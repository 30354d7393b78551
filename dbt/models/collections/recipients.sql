-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_json('active_account') }} as active_account,
    {{ as_json('cards') }} as cards,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_id('default_card') }} as default_card,
    {{ as_text('description') }} as description,
    {{ as_text('email') }} as email,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_json('metadata') }} as metadata,
    {{ as_id('migrated_to') }} as migrated_to,
    {{ as_text('name') }} as name,
    {{ as_text('object') }} as object,
    {{ as_text('type') }} as type,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:recipient'
