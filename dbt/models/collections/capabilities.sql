-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    {{ as_text('id') }} as id,
    {{ as_id('account') }} as account,
    {{ as_json('future_requirements') }} as future_requirements,
    {{ as_text('object') }} as object,
    {{ as_boolean('requested') }} as requested,
    {{ as_bigint('requested_at') }} as requested_at,
    {{ as_timestamp('requested_at') }} as requested_at_ts,
    {{ as_json('requirements') }} as requirements,
    {{ as_text('status') }} as status,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:capability'
