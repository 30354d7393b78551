select
    id,
    object,
    application,
    {{ stripe_views.int4('canceled_at') }} as canceled_at,
    {{ stripe_views.int4('completed_at') }} as completed_at,
    {{ stripe_views.int4('created') }} as created,
    current_phase,
    customer,
    default_settings,
    end_behavior,
    livemode,
    metadata,
    phases,
    {{ stripe_views.int4('released_at') }} as released_at,
    released_subscription,
    {{ stripe_views.enum('subscription_schedule_status', 'status') }} as status,
    subscription,
    test_clock,
    _updated_at as last_synced_at,
    billing_mode,
    {{ stripe_views.account_of('subscription_schedules') }} as _account_id
from {{ ref('subscription_schedules') }} as subscription_schedules
where
    {{ stripe_views.of_chosen_sync('compat_sync_engine') }}
    and not _deleted
