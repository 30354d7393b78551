{# The state of polling of each sync, for the views sync_status and poll_status. #}
{% macro polling() %}
with latencies as (
    -- Cumulative share of the last hour's Stripe events by latency.
    select
        sync_id,
        within_seconds,
        sum(sum(stripe_events)) over (partition by sync_id order by within_seconds)
            / sum(sum(stripe_events)) over (partition by sync_id) as share
    from {{ source('stripe_sync', 'poll_latency') }}
    where minute > now() - interval '1 hour'
    group by sync_id, within_seconds
),

percentiles as (
    select
        sync_id,
        min(within_seconds) filter (where share >= 0.5) as p50,
        min(within_seconds) filter (where share >= 0.99) as p99
    from latencies
    group by sync_id
),

newest as (
    select distinct on (sync_id)
        sync_id,
        within_seconds
    from {{ source('stripe_sync', 'poll_latency') }}
    order by sync_id asc, minute desc, within_seconds desc
),

pending as (
    select
        sync_id,
        count(*) as fetches,
        min(changed_at) as since
    from {{ source('stripe_sync', 'pending_fetches') }}
    group by sync_id
),

gap as (
    select distinct on (sync_id)
        sync_id,
        began_at,
        ended_at,
        reason,
        reconciled_at
    from {{ source('stripe_sync', 'retention_gaps') }}
    order by sync_id asc, began_at desc
),

clock as (
    select
        (now() at time zone 'UTC')::date as today,
        extract(epoch from (now() at time zone 'UTC')::time) as seconds
),

first_reads as (
    select
        account_key,
        min(day) as day
    from {{ source('stripe_sync', 'stripe_reads') }}
    group by account_key
),

reads as (
    -- Stripe allots reads for 30 days. The forecast is 30 times the last whole day, or today's rate.
    -- The first day says nothing: its reads are mostly those of the backfill.
    select
        stripe_reads.account_key,
        sum(stripe_reads.reads) as used,
        bool_or(first_reads.day < clock.today) as warns,
        30 * coalesce(
            max(stripe_reads.reads) filter (
                where stripe_reads.day = clock.today - 1 and first_reads.day < clock.today - 1
            ),
            round(
                max(stripe_reads.reads) filter (
                    where
                    stripe_reads.day = clock.today
                    and first_reads.day < clock.today
                    and clock.seconds > 3600
                ) * 86400 / clock.seconds
            )
        ) as forecast
    from {{ source('stripe_sync', 'stripe_reads') }} as stripe_reads
    inner join first_reads on stripe_reads.account_key = first_reads.account_key
    cross join clock
    where stripe_reads.day > clock.today - 30
    group by stripe_reads.account_key, clock.seconds
),

set_aside as (
    select
        sync_id,
        count(*) as objects
    from {{ source('stripe_sync', 'set_aside') }}
    group by sync_id
)

select
    syncs.id as sync_id,
    syncs.name as sync,
    syncs.status,
    syncs.account_id,
    syncs.livemode,
    state.polled_at,
    newest.within_seconds as lag_newest,
    percentiles.p50 as lag_p50,
    percentiles.p99 as lag_p99,
    state.polls,
    state.requests,
    state.rate_limited,
    coalesce(pending.fetches, 0) as pending_fetches,
    pending.since as pending_fetches_since,
    gap.began_at as gap_began_at,
    gap.ended_at as gap_ended_at,
    gap.reconciled_at as gap_reconciled_at,
    reads.used as reads_30_days,
    allotment.reads as reads_allocation,
    coalesce(set_aside.objects, 0) as set_aside,
    nullif(
        concat_ws(
            '; ',
            state.message,
            stripe_sync.not_polled_warning(
                syncs.status, syncs.settings, syncs.created_at, state.polled_at
            ),
            case
                when set_aside.objects > 0
                    then set_aside.objects || ' objects cannot be stored and are set aside: see'
                        || ' reason and text in stripe_sync.set_aside'
            end,
            case
                when gap.began_at is not null and gap.ended_at is null
                    then gap.reason || ': grant rak_event_read, then all collections are reconciled'
                when gap.began_at is not null and gap.reconciled_at is null
                    then gap.reason || ': all collections are being reconciled'
            end,
            case
                when not reads.warns
                    then null
                when reads.used > 0.8 * allotment.reads
                    then round(100.0 * reads.used / allotment.reads) || ' % of the reads that Stripe'
                        || ' allots for 30 days are used: set cadence to adaptive'
                when reads.forecast > allotment.reads
                    then 'at this rate 30 days take ' || reads.forecast || ' reads, and Stripe allots '
                        || allotment.reads || ': set cadence to adaptive'
            end
        ),
        ''
    ) as warning
from {{ source('stripe_sync', 'syncs') }} as syncs
left join {{ source('stripe_sync', 'poll_state') }} as state on syncs.id = state.sync_id
left join percentiles on syncs.id = percentiles.sync_id
left join newest on syncs.id = newest.sync_id
left join pending on syncs.id = pending.sync_id
left join gap on syncs.id = gap.sync_id
left join set_aside on syncs.id = set_aside.sync_id
left join reads
    on reads.account_key
        = syncs.account_id || case when syncs.livemode then ':live' else ':test' end
cross join lateral (
    select
        case
            when state.transactions is not null then greatest(10000, 500 * state.transactions)
        end as reads
) as allotment
{% endmacro %}
