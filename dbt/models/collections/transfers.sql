-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_bigint('amount') }} as amount,
    {{ as_bigint('amount_reversed') }} as amount_reversed,
    {{ as_id('balance_transaction') }} as balance_transaction,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_text('currency') }} as currency,
    {{ as_text('description') }} as description,
    {{ as_id('destination') }} as destination,
    {{ as_id('destination_payment') }} as destination_payment,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('object') }} as object,
    {{ as_json('reversals') }} as reversals,
    {{ as_boolean('reversed') }} as reversed,
    {{ as_id('source_transaction') }} as source_transaction,
    {{ as_text('source_type') }} as source_type,
    {{ as_text('transfer_group') }} as transfer_group,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:transfer'
