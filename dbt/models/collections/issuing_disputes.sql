-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_bigint('amount') }} as amount,
    {{ as_json('balance_transactions') }} as balance_transactions,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_text('currency') }} as currency,
    {{ as_json('evidence') }} as evidence,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('loss_reason') }} as loss_reason,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('object') }} as object,
    {{ as_text('status') }} as status,
    {{ as_id('transaction') }} as transaction,
    {{ as_json('treasury') }} as treasury,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:issuing.dispute'
