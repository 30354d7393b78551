-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_json('ach_credit_transfer') }} as ach_credit_transfer,
    {{ as_bigint('amount') }} as amount,
    {{ as_json('chf_credit_transfer') }} as chf_credit_transfer,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_text('currency') }} as currency,
    {{ as_json('gbp_credit_transfer') }} as gbp_credit_transfer,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('object') }} as object,
    {{ as_json('paper_check') }} as paper_check,
    {{ as_json('sepa_credit_transfer') }} as sepa_credit_transfer,
    {{ as_text('source') }} as source,
    {{ as_text('status') }} as status,
    {{ as_text('type') }} as type,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq,
    parent_id as _parent_id
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:source_transaction'
