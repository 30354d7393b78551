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

reads as (
    -- Stripe allots reads for 30 days; the forecast is 30 times the last whole day.
    select
        account_key,
        sum(reads) as used,
        coalesce(max(reads) filter (where day = current_date - 1), max(reads)) * 30 as forecast
    from {{ source('stripe_sync', 'stripe_reads') }}
    where day > current_date - 30
    group by account_key
),

set_aside as (
    select
        sync_id,
        collection_id,
        count(*) as objects
    from {{ source('stripe_sync', 'set_aside') }}
    group by sync_id, collection_id
),

poll as (
    select
        state.sync_id,
        state.polled_at,
        state.polls,
        state.requests,
        state.rate_limited,
        state.message,
        percentiles.p50,
        percentiles.p99,
        newest.within_seconds as newest,
        coalesce(pending.fetches, 0) as pending_fetches,
        pending.since as pending_fetches_since,
        gap.began_at as gap_began_at,
        gap.ended_at as gap_ended_at,
        gap.reconciled_at as gap_reconciled_at,
        gap.reason,
        reads.used,
        reads.forecast,
        case
            when state.transactions is not null then greatest(10000, 500 * state.transactions)
        end as allocation
    from {{ source('stripe_sync', 'poll_state') }} as state
    inner join {{ source('stripe_sync', 'syncs') }} as syncs on state.sync_id = syncs.id
    left join percentiles on state.sync_id = percentiles.sync_id
    left join newest on state.sync_id = newest.sync_id
    left join pending on state.sync_id = pending.sync_id
    left join gap on state.sync_id = gap.sync_id
    left join reads
        on reads.account_key
            = syncs.account_id || case when syncs.livemode then ':live' else ':test' end
)

select
    syncs.name as sync,
    state.sync_id,
    state.collection_id,
    state.status,
    state.message,
    state.permission,
    state.percent,
    state.objects,
    state.requests,
    state.objects_per_second,
    state.eta,
    state.seconds,
    state.generation,
    state.started_at,
    state.finished_at,
    state.updated_at,
    reconciled.reconciled_at,
    reconciled.drift,
    syncs.status as sync_status,
    poll.polled_at,
    poll.newest as poll_lag_newest,
    poll.p50 as poll_lag_p50,
    poll.p99 as poll_lag_p99,
    poll.polls,
    poll.requests as poll_requests,
    poll.rate_limited as poll_rate_limited,
    poll.pending_fetches,
    poll.pending_fetches_since,
    poll.gap_began_at,
    poll.gap_ended_at,
    poll.gap_reconciled_at,
    poll.used as reads_30_days,
    poll.allocation as reads_allocation,
    nullif(
        concat_ws(
            '; ',
            poll.message,
            stripe_sync.not_polled_warning(
                syncs.status, syncs.settings, syncs.created_at, poll.polled_at
            ),
            case
                when all_set_aside.objects > 0
                    then all_set_aside.objects || ' objects cannot be stored and are set aside: see'
                        || ' reason and text in stripe_sync.set_aside'
            end,
            case
                when poll.gap_began_at is not null and poll.gap_ended_at is null
                    then poll.reason || ': grant rak_event_read, then all collections are reconciled'
                when poll.gap_began_at is not null and poll.gap_reconciled_at is null
                    then poll.reason || ': all collections are being reconciled'
            end,
            case
                when poll.used > 0.8 * poll.allocation
                    then round(100.0 * poll.used / poll.allocation) || ' % of the reads that Stripe'
                        || ' allots for 30 days are used: set cadence to adaptive'
                when poll.forecast > poll.allocation
                    then 'at this rate 30 days take ' || poll.forecast || ' reads, and Stripe allots '
                        || poll.allocation || ': set cadence to adaptive'
            end
        ),
        ''
    ) as warning,
    coalesce(set_aside.objects, 0) as set_aside
from {{ source('stripe_sync', 'collection_state') }} as state
inner join {{ source('stripe_sync', 'syncs') }} as syncs on syncs.id = state.sync_id
left join poll on poll.sync_id = state.sync_id
left join set_aside
    on set_aside.sync_id = state.sync_id and set_aside.collection_id = state.collection_id
left join (
    select
        sync_id,
        sum(objects) as objects
    from set_aside
    group by sync_id
) as all_set_aside on all_set_aside.sync_id = state.sync_id
left join lateral (
    select
        reconciled_at,
        drift
    from {{ source('stripe_sync', 'reconcile_state') }}
    where sync_id = state.sync_id and collection_id = state.collection_id
    order by reconciled_at desc nulls last
    limit 1
) as reconciled on true
