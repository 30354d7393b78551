-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.object as object,
    typed.period_end as period_end,
    typed.period_end_ts as period_end_ts,
    typed.period_start as period_start,
    typed.period_start_ts as period_start_ts,
    typed.tax_deduction_account_number as tax_deduction_account_number,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'tax_deducted_at_sources') }} as typed
