-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_bigint('amount') }} as amount,
    {{ as_json('balance_transactions') }} as balance_transactions,
    {{ as_id('charge') }} as charge,
    {{ as_bigint('created') }} as created,
    {{ as_timestamp('created') }} as created_ts,
    {{ as_text('currency') }} as currency,
    {{ as_json('enhanced_eligibility_types') }} as enhanced_eligibility_types,
    {{ as_json('evidence') }} as evidence,
    {{ as_json('evidence_details') }} as evidence_details,
    {{ as_text('intended_submission_method') }} as intended_submission_method,
    {{ as_boolean('is_charge_refundable') }} as is_charge_refundable,
    {{ as_boolean('livemode') }} as livemode,
    {{ as_json('metadata') }} as metadata,
    {{ as_text('network_reason_code') }} as network_reason_code,
    {{ as_text('object') }} as object,
    {{ as_id('payment_intent') }} as payment_intent,
    {{ as_json('payment_method_details') }} as payment_method_details,
    {{ as_text('reason') }} as reason,
    {{ as_text('status') }} as status,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:dispute'
