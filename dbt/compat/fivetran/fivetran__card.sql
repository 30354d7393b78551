-- Cards are payment methods in Stripe's API today. Those of guests are only in their charges.
with of_customers as (
    select
        _sync_id,
        id,
        customer,
        created_ts,
        card,
        billing_details,
        metadata,
        _updated_at
    from {{ ref('payment_methods') }}
    where type = 'card' and {{ stripe_views.of_chosen_sync('compat_fivetran') }}
),

of_charges as (
    select distinct on (_sync_id, coalesce(payment_method, source))
        _sync_id,
        coalesce(payment_method, source) as id,
        customer,
        null::timestamptz as created_ts,
        payment_method_details -> 'card' as card,
        billing_details,
        null::jsonb as metadata,
        _updated_at
    from {{ ref('charges') }}
    where
        payment_method_details ->> 'type' = 'card'
        and coalesce(payment_method, source) is not null
        and {{ stripe_views.of_chosen_sync('compat_fivetran') }}
    order by _sync_id, coalesce(payment_method, source), created desc
),

cards as (
    select * from of_customers
    union all
    select of_charges.*
    from of_charges
    left join of_customers
        on of_customers.id = of_charges.id and of_customers._sync_id = of_charges._sync_id
    where of_customers.id is null
)

select
    id,
    null::text as account_id,
    billing_details -> 'address' ->> 'city' as address_city,
    billing_details -> 'address' ->> 'country' as address_country,
    billing_details -> 'address' ->> 'line1' as address_line_1,
    billing_details -> 'address' ->> 'line2' as address_line_2,
    billing_details -> 'address' ->> 'state' as address_state,
    billing_details -> 'address' ->> 'postal_code' as address_zip,
    card ->> 'brand' as brand,
    card ->> 'country' as country,
    created_ts at time zone 'UTC' as created,
    customer as customer_id,
    card ->> 'funding' as funding,
    metadata::text as metadata,
    billing_details ->> 'name' as name,
    null::text as recipient,
    card -> 'wallet' ->> 'type' as wallet_type,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from cards
