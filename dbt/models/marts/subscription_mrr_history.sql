-- Built of all versions that are known of a subscription. The first of them is taken to have held since
-- the subscription began to be paid.
--
-- A table, because that takes a while. Its rows are replaced in one transaction: no reader waits or sees
-- half of them, and what others built on the table stays. PostgreSQL cannot know how many rows the steps
-- have, takes them for few, and would join them row by row.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook=[
        "{% if is_incremental() %} delete from {{ this }} {% endif %}",
        "set local enable_nestloop = off",
    ],
    post_hook=["{{ stripe_views.mark_table(model.description) }}", "analyze {{ this }}"],
) }}

with versions as (
    select
        _sync_id,
        id,
        customer,
        currency,
        status,
        start_date_ts,
        trial_end_ts,
        coalesce(ended_at_ts, canceled_at_ts, valid_from) as ended_at,
        items,
        discounts,
        _deleted,
        valid_from,
        valid_to,
        _seq,
        row_number() over (partition by _sync_id, id order by _seq) = 1 as is_first
    from {{ ref('subscriptions_history') }}
    union all
    -- A record of a backfill has no change event when created_events is off for its sync.
    select
        _sync_id,
        id,
        customer,
        currency,
        status,
        start_date_ts,
        trial_end_ts,
        coalesce(ended_at_ts, canceled_at_ts, _updated_at) as ended_at,
        items,
        discounts,
        _deleted,
        _updated_at as valid_from,
        null as valid_to,
        _seq,
        true as is_first
    from {{ ref('subscriptions') }} as subscriptions
    where not exists (
        select from {{ ref('events') }} as events
        where
            events.upstream_id = subscriptions.id
            and events.collection_id = 'stripe:subscription'
            and events.sync_id = subscriptions._sync_id
    )
),

paid as (
    select
        versions.*,
        case
            when status = 'canceled' or (is_first and began_at < valid_from) then began_at
            else valid_from
        end as paid_from,
        case when status = 'canceled' then ended_at else coalesce(valid_to, 'infinity') end as paid_to
    from versions
    -- A trial that is over ends at its end, any other would begin later than it is known to be paid.
    cross join lateral (
        select case when trial_end_ts > start_date_ts then trial_end_ts else start_date_ts end
    ) as beginning (began_at)
    where
        not _deleted
        -- What an ended subscription was before is not known when it is first seen so.
        and (status in ('active', 'past_due') or (status = 'canceled' and is_first))
),

paid_versions as materialized (
    select
        _sync_id,
        id,
        _seq,
        customer,
        currency,
        items,
        discounts,
        paid_from,
        paid_to
    from paid
    where paid_from < paid_to
),

items as materialized (
    select
        paid_versions._sync_id,
        paid_versions.id,
        paid_versions._seq,
        item.number,
        paid_versions.currency,
        stripe_sync.json_id(item.value -> 'price') as price,
        stripe_sync.json_bigint(item.value -> 'quantity') as quantity,
        stripe_sync.json_list(item.value -> 'discounts') as discounts
    from paid_versions
    cross join lateral jsonb_array_elements(
        stripe_sync.json_list(paid_versions.items -> 'data')
    ) with ordinality as item (value, number)
),

prices as materialized (
    select
        _sync_id,
        id,
        product,
        recurring,
        to_jsonb(prices) as whole
    from {{ ref('prices') }} as prices
),

-- Many items have the same price and quantity; each pair is calculated once.
amounts as materialized (
    select
        pairs._sync_id,
        pairs.price,
        pairs.quantity,
        pairs.currency,
        prices.product,
        {{ stripe_views.monthly_amount_of('pairs.quantity', 'prices.whole', 'pairs.currency') }} as monthly,
        -- What one minor unit of each billing period is a month.
        {{ stripe_views.monthly_amount_of(
            1, "jsonb_build_object('currency', '', 'unit_amount', 1, 'recurring', prices.recurring)", "''"
        ) }} as one_monthly
    from (select distinct _sync_id, price, quantity, currency from items) as pairs
    inner join prices on pairs._sync_id = prices._sync_id and pairs.price = prices.id
),

coupons as materialized (
    select
        discounts._sync_id,
        discounts.id,
        discounts.start_ts as begins,
        coalesce(discounts.end_ts, 'infinity') as ends,
        coalesce(coupons.percent_off, 0) as percent_off,
        coupons.amount_off,
        coupons.currency,
        coupons.currency_options,
        coupons.applies_to -> 'products' as products,
        -- The discount of a customer holds for subscriptions without one of their own.
        case
            when not discounts._deleted and coalesce(
                discounts.subscription,
                discounts.subscription_item,
                discounts.invoice,
                discounts.invoice_item,
                discounts.checkout_session
            ) is null
                then discounts.customer
        end as customer
    from {{ ref('discounts') }} as discounts
    inner join {{ ref('coupons') }} as coupons
        on discounts._sync_id = coupons._sync_id and discounts.coupon = coupons.id
    -- The third duration, once, is for one invoice.
    where coupons.duration in ('forever', 'repeating')
),

-- Discounts of a version; those without a number are for all of its items.
named as (
    select
        _sync_id,
        id,
        _seq,
        number,
        stripe_sync.json_id(discount) as discount
    from items
    cross join lateral jsonb_array_elements(discounts) as discount
    union all
    select
        _sync_id,
        id,
        _seq,
        null as number,
        stripe_sync.json_id(discount) as discount
    from paid_versions
    cross join lateral jsonb_array_elements(stripe_sync.json_list(discounts)) as discount
),

granted as materialized (
    select
        versions._sync_id,
        versions.id,
        versions._seq,
        named.number,
        coupons.begins,
        coupons.ends,
        coupons.percent_off,
        coupons.products,
        coalesce(
            case
                when coupons.currency = versions.currency then coupons.amount_off
                else (coupons.currency_options -> versions.currency ->> 'amount_off')::bigint
            end,
            0
        ) as amount_off
    from paid_versions as versions
    inner join named
        on
            versions._sync_id = named._sync_id
            and versions.id = named.id
            and versions._seq = named._seq
    inner join coupons on named._sync_id = coupons._sync_id and named.discount = coupons.id
    union all
    select
        versions._sync_id,
        versions.id,
        versions._seq,
        null as number,
        coupons.begins,
        coupons.ends,
        coupons.percent_off,
        coupons.products,
        coalesce(
            case
                when coupons.currency = versions.currency then coupons.amount_off
                else (coupons.currency_options -> versions.currency ->> 'amount_off')::bigint
            end,
            0
        ) as amount_off
    from paid_versions as versions
    inner join coupons
        on versions._sync_id = coupons._sync_id and versions.customer = coupons.customer
    where coalesce(versions.discounts, '[]') = '[]'
),

-- A version is cut where a discount begins or ends.
edges as (
    select
        _sync_id,
        id,
        _seq,
        paid_from as edge
    from paid_versions
    union
    select
        versions._sync_id,
        versions.id,
        versions._seq,
        edge
    from paid_versions as versions
    inner join granted
        on
            versions._sync_id = granted._sync_id
            and versions.id = granted.id
            and versions._seq = granted._seq
    cross join lateral unnest(array[granted.begins, granted.ends]) as edge
    where edge > versions.paid_from and edge < versions.paid_to
),

periods as materialized (
    select
        versions._sync_id,
        versions.id,
        versions._seq,
        versions.customer,
        versions.currency,
        edges.edge as valid_from,
        lead(edges.edge, 1, versions.paid_to) over (
            partition by versions._sync_id, versions.id, versions._seq order by edges.edge
        ) as valid_to
    from edges
    inner join paid_versions as versions
        on
            edges._sync_id = versions._sync_id
            and edges.id = versions.id
            and edges._seq = versions._seq
),

discounted_items as (
    select
        periods._sync_id,
        periods.id,
        periods._seq,
        periods.valid_from,
        items.number,
        amounts.monthly,
        {{ stripe_views.share_left('granted.percent_off', 'granted.number is not null') }} as own_share,
        {{ stripe_views.share_left('granted.percent_off', 'granted.number is null') }} as share,
        coalesce(sum(granted.amount_off) filter (where granted.number is not null), 0)
        * amounts.one_monthly as own_off,
        coalesce(sum(granted.amount_off) filter (where granted.number is null), 0)
        * amounts.one_monthly as shared_off
    from periods
    inner join items
        on
            periods._sync_id = items._sync_id
            and periods.id = items.id
            and periods._seq = items._seq
    inner join amounts
        on
            items._sync_id = amounts._sync_id
            and items.price = amounts.price
            and items.quantity = amounts.quantity
            and items.currency = amounts.currency
    left join granted
        on
            periods._sync_id = granted._sync_id
            and periods.id = granted.id
            and periods._seq = granted._seq
            and periods.valid_from >= granted.begins
            and periods.valid_from < granted.ends
            and coalesce(granted.number, items.number) = items.number
            and (granted.products is null or granted.products ? amounts.product)
    where amounts.monthly > 0
    group by
        periods._sync_id,
        periods.id,
        periods._seq,
        periods.valid_from,
        items.number,
        amounts.monthly,
        amounts.one_monthly
),

mrr as (
    select
        _sync_id,
        id,
        _seq,
        valid_from,
        round(sum(monthly), 6) as before_discounts,
        round(
            greatest(sum(greatest(monthly * own_share - own_off, 0) * share) - max(shared_off), 0), 6
        ) as after_discounts
    from discounted_items
    group by _sync_id, id, _seq, valid_from
),

-- Periods that follow each other without a change of MRR, such as those of renewals, are one.
changes as (
    select
        periods._sync_id,
        periods.id,
        periods.customer,
        periods.currency,
        periods.valid_from,
        periods.valid_to,
        mrr.before_discounts,
        mrr.after_discounts,
        coalesce(
            lag(periods.valid_to) over versions = periods.valid_from
            and lag(mrr.before_discounts) over versions = mrr.before_discounts
            and lag(mrr.after_discounts) over versions = mrr.after_discounts,
            false
        ) as continues
    from periods
    inner join mrr
        on
            periods._sync_id = mrr._sync_id
            and periods.id = mrr.id
            and periods._seq = mrr._seq
            and periods.valid_from = mrr.valid_from
    window versions as (
        partition by periods._sync_id, periods.id, periods.customer, periods.currency
        order by periods._seq, periods.valid_from
    )
),

numbered as (
    select
        *,
        count(*) filter (where not continues) over (
            partition by _sync_id, id, customer, currency order by valid_from, valid_to
        ) as change_number
    from changes
)

select
    _sync_id,
    id as subscription,
    customer,
    currency,
    min(valid_from) as valid_from,
    nullif(max(valid_to), 'infinity') as valid_to,
    before_discounts as before_discounts_minor_units,
    {{ stripe_views.amount_of('before_discounts') }} as before_discounts,
    after_discounts as mrr_minor_units,
    {{ stripe_views.amount_of('after_discounts') }} as mrr
from numbered
group by _sync_id, id, customer, currency, change_number, before_discounts, after_discounts
