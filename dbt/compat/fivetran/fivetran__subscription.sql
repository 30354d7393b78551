select
    id,
    application_fee_percent,
    collection_method as billing,
    billing_cycle_anchor_ts at time zone 'UTC' as billing_cycle_anchor,
    stripe_sync.json_bigint(billing_thresholds -> 'amount_gte') as billing_threshold_amount_gte,
    stripe_sync.json_boolean(
        billing_thresholds -> 'reset_billing_cycle_anchor'
    ) as billing_threshold_reset_billing_cycle_anchor,
    cancel_at_ts at time zone 'UTC' as cancel_at,
    cancel_at_period_end,
    canceled_at_ts at time zone 'UTC' as canceled_at,
    created_ts at time zone 'UTC' as created,
    current_period_end_ts at time zone 'UTC' as current_period_end,
    current_period_start_ts at time zone 'UTC' as current_period_start,
    customer as customer_id,
    days_until_due,
    default_payment_method as default_payment_method_id,
    default_source as default_source_id,
    ended_at_ts at time zone 'UTC' as ended_at,
    latest_invoice as latest_invoice_id,
    livemode,
    metadata::text as metadata,
    pause_collection ->> 'behavior' as pause_collection_behavior,
    stripe_sync.json_moment(pause_collection -> 'resumes_at') at time zone 'UTC' as pause_collection_resumes_at,
    pending_setup_intent as pending_setup_intent_id,
    quantity,
    start_date_ts at time zone 'UTC' as start_date,
    status,
    null::numeric as tax_percent,
    trial_end_ts at time zone 'UTC' as trial_end,
    trial_start_ts at time zone 'UTC' as trial_start,
    _updated_at at time zone 'UTC' as _fivetran_synced,
    _sync_id
from {{ ref('subscriptions') }}
where
    {{ stripe_views.of_chosen_sync('compat_fivetran') }}
