select
    id as payment_method_id,
    card ->> 'brand' as brand,
    null::text as charge_id,
    card ->> 'funding' as funding,
    null::text as three_d_secure_authentication_flow,
    null::text as three_d_secure_result,
    null::text as three_d_secure_result_reason,
    null::text as three_d_secure_version,
    type,
    card -> 'wallet' ->> 'type' as wallet_type,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('payment_methods') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    and card is not null
