-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    upstream_id as id,
    {{ as_text('object') }} as object,
    {{ as_bigint('period_end') }} as period_end,
    {{ as_timestamp('period_end') }} as period_end_ts,
    {{ as_bigint('period_start') }} as period_start,
    {{ as_timestamp('period_start') }} as period_start_ts,
    {{ as_text('tax_deduction_account_number') }} as tax_deduction_account_number,
    sync_id as _sync_id,
    deleted as _deleted,
    updated_at as _updated_at,
    seq as _seq
from {{ source('stripe_raw', 'records') }}
where collection_id = 'stripe:tax_deducted_at_source'
