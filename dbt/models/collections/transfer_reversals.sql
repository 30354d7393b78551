-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_bigint('amount') }} as amount,
    {{ as_id('balance_transaction') }} as balance_transaction,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_text('currency') }} as currency,
    {{ as_id('destination_payment_refund') }} as destination_payment_refund,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('object') }} as object,
    {{ as_id('source_refund') }} as source_refund,
    {{ as_id('transfer') }} as transfer,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:transfer_reversal'
