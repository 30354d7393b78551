-- Made by `make generate` from the Stripe SDK's annotations; edits are overwritten.
select
    typed.id as id,
    typed.active as active,
    typed.amount as amount,
    typed.amount_decimal as amount_decimal,
    typed.billing_scheme as billing_scheme,
    typed.created as created,
    typed.created_ts as created_ts,
    typed.currency as currency,
    typed._deleted as deleted,
    typed.interval as interval,
    typed.interval_count as interval_count,
    typed.livemode as livemode,
    typed.metadata as metadata,
    typed.meter as meter,
    typed.nickname as nickname,
    typed.object as object,
    typed.product as product,
    payload.tiers as tiers,
    typed.tiers_mode as tiers_mode,
    payload.transform_usage as transform_usage,
    typed.trial_period_days as trial_period_days,
    typed.usage_type as usage_type,
    typed._sync_id as _sync_id,
    typed._deleted as _deleted,
    typed._updated_at as _updated_at,
    typed._seq as _seq
from {{ source('typed_tables', 'plans') }} as typed
{{ join_payload('stripe:plan', 'typed.id', [
    'tiers',
    'transform_usage',
]) }}
