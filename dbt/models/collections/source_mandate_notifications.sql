-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_json('acss_debit') }} as acss_debit,
    {{ as_bigint('amount') }} as amount,
    {{ as_json('bacs_debit') }} as bacs_debit,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_text('object') }} as object,
    {{ as_text('reason') }} as reason,
    {{ as_json('sepa_debit') }} as sepa_debit,
    {{ as_json('source') }} as source,
    {{ as_text('status') }} as status,
    {{ as_text('type') }} as type,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:source_mandate_notification'
