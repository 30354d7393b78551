select
    id,
    object,
    paid,
    null::text as order,
    amount,
    review,
    (
        select records.payload -> 'source'
        from {{ ref('records') }} as records
        where
            records.collection_id = 'stripe:charge'
            and records.sync_id = charges._sync_id
            and records.upstream_id = charges.id
    ) as source,
    status,
    {{ stripe_views.int4('created') }} as created,
    (
        select disputes.id
        from {{ ref('disputes') }} as disputes
        where disputes.charge = charges.id and disputes._sync_id = charges._sync_id
        order by disputes.created desc
        limit 1
    ) as dispute,
    invoice,
    outcome,
    refunds,
    null::integer as updated,
    captured,
    currency,
    customer,
    livemode,
    metadata,
    refunded,
    shipping,
    application,
    description,
    stripe_sync.json_id(transfer_data -> 'destination') as destination,
    failure_code,
    on_behalf_of,
    fraud_details,
    receipt_email,
    payment_intent,
    receipt_number,
    transfer_group,
    amount_refunded,
    application_fee,
    failure_message,
    source_transfer,
    balance_transaction,
    statement_descriptor,
    payment_method_details,
    _updated_at as updated_at,
    _updated_at as last_synced_at,
    {{ stripe_views.account_of('charges') }} as _account_id
from {{ ref('charges') }} as charges
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
