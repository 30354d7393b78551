select
    id,
    object,
    amount,
    charge,
    reason,
    status,
    {{ stripe_views.int4('created') }} as created,
    null::integer as updated,
    currency,
    evidence,
    livemode,
    metadata,
    evidence_details,
    balance_transactions,
    is_charge_refundable,
    _updated_at as updated_at,
    payment_intent,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('disputes') }} as _account_id
from {{ ref('disputes') }} as disputes
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
