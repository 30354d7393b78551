-- Details of the account are there if the sync has the setting include_parents: ["account"].
select
    syncs.account_id as id,
    account.payload -> 'business_profile' ->> 'mcc' as business_profile_mcc,
    account.payload -> 'business_profile' ->> 'name' as business_profile_name,
    account.payload ->> 'business_type' as business_type,
    stripe_sync.json_boolean(account.payload -> 'charges_enabled') as charges_enabled,
    account.payload -> 'company' -> 'address' ->> 'city' as company_address_city,
    account.payload -> 'company' -> 'address' ->> 'country' as company_address_country,
    account.payload -> 'company' -> 'address' ->> 'line1' as company_address_line_1,
    account.payload -> 'company' -> 'address' ->> 'line2' as company_address_line_2,
    account.payload -> 'company' -> 'address' ->> 'postal_code' as company_address_postal_code,
    account.payload -> 'company' -> 'address' ->> 'state' as company_address_state,
    account.payload -> 'company' ->> 'name' as company_name,
    account.payload -> 'company' ->> 'phone' as company_phone,
    account.payload ->> 'country' as country,
    stripe_sync.json_moment(account.payload -> 'created') at time zone 'UTC' as created,
    account.payload ->> 'default_currency' as default_currency,
    stripe_sync.json_boolean(account.payload -> 'details_submitted') as details_submitted,
    account.payload ->> 'email' as email,
    coalesce(account.deleted, false) as is_deleted,
    (account.payload -> 'metadata')::text as metadata,
    stripe_sync.json_boolean(account.payload -> 'payouts_enabled') as payouts_enabled,
    account.payload ->> 'type' as type,
    coalesce(account.updated_at, syncs.created_at) at time zone 'UTC' as _fivetran_synced,
    syncs.id as _sync_id
from {{ source('stripe_sync', 'syncs') }} as syncs
left join {{ ref('records') }} as account
    on
        account.collection_id = 'stripe:account'
        and account.sync_id = syncs.id
        and account.upstream_id = syncs.account_id
where
    {{ stripe_views.of_chosen_sync('compat_fivetran', 'syncs.id') }}
