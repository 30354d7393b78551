-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_json('billing') }} as billing,
    {{ as_json('company') }} as company,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_text('email') }} as email,
    {{ as_json('individual') }} as individual,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('name') }} as name,
    {{ as_text('object') }} as object,
    {{ as_text('phone_number') }} as phone_number,
    {{ as_json('preferred_locales') }} as preferred_locales,
    {{ as_json('requirements') }} as requirements,
    {{ as_json('spending_controls') }} as spending_controls,
    {{ as_text('status') }} as status,
    {{ as_text('type') }} as type,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:issuing.cardholder'
