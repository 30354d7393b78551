-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_bigint('amount') }} as amount,
    {{ as_id('checkout_session') }} as checkout_session,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_id('credit_note') }} as credit_note,
    {{ as_text('currency') }} as currency,
    {{ as_id('customer') }} as customer,
    {{ as_text('customer_account') }} as customer_account,
    {{ as_text('description') }} as description,
    {{ as_bigint('ending_balance') }} as ending_balance,
    {{ as_id('invoice') }} as invoice,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('object') }} as object,
    {{ as_text('type') }} as type,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:customer_balance_transaction'
