-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_bigint('amount') }} as amount,
    {{ as_bigint('available_on') }} as available_on,
    {{ as_timestamp('available_on') }} as available_on_ts,
    {{ as_text('balance_type') }} as balance_type,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_text('currency') }} as currency,
    {{ as_text('description') }} as description,
    {{ as_numeric('exchange_rate') }} as exchange_rate,
    {{ as_bigint('fee') }} as fee,
    {{ as_json('fee_details') }} as fee_details,
    {{ as_bigint('net') }} as net,
    {{ as_text('object') }} as object,
    {{ as_text('reporting_category') }} as reporting_category,
    {{ as_id('source') }} as source,
    {{ as_text('status') }} as status,
    {{ as_text('type') }} as type,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:balance_transaction'
