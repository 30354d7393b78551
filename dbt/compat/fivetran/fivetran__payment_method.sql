-- Detached payment methods stay: charges name them.
select
    id,
    billing_details -> 'address' ->> 'city' as billing_detail_address_city,
    billing_details -> 'address' ->> 'country' as billing_detail_address_country,
    billing_details -> 'address' ->> 'line1' as billing_detail_address_line_1,
    billing_details -> 'address' ->> 'line2' as billing_detail_address_line_2,
    billing_details -> 'address' ->> 'postal_code' as billing_detail_address_postal_code,
    billing_details -> 'address' ->> 'state' as billing_detail_address_state,
    billing_details ->> 'email' as billing_detail_email,
    billing_details ->> 'name' as billing_detail_name,
    billing_details ->> 'phone' as billing_detail_phone,
    created_ts at time zone 'UTC' as created,
    customer as customer_id,
    livemode,
    metadata::text as metadata,
    type,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('payment_methods') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
