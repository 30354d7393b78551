"""Monthly recurring revenue, counted in Python at one moment after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

from dbt.expected_marts import Doc, Key, Payloads, Version, following

MONTHS = {"day": Fraction(12, 365), "week": Fraction(12, 52), "month": Fraction(1),
          "year": Fraction(12)}  # fmt: skip


def identifier(value: Any) -> str:
    found: str = value["id"] if isinstance(value, dict) else value
    return found


def number(value: Any) -> Fraction:
    return Fraction(str(value)) if value is not None else Fraction(0)


def tiered(price: Doc, tiers: list[Doc], units: Fraction) -> Fraction:
    """The sum of the tiers that units reach (graduated), or that of their tier alone."""
    total, below = Fraction(0), Fraction(0)
    for tier in tiers:
        above = Fraction(tier["up_to"]) if tier["up_to"] is not None else None
        inside = units - below if above is None or units < above else above - below
        flat, unit = number(tier["flat_amount_decimal"]), number(tier["unit_amount_decimal"])
        if price["tiers_mode"] == "volume":
            if above is None or units <= above:
                return flat + unit * units
        elif units > below or below == 0:
            total += flat + unit * inside
        below = above if above is not None else units
    return total


def monthly(price: Doc | None, quantity: int | None, currency: str) -> Fraction:
    """Minor units a month."""
    recurring = (price or {}).get("recurring")
    if price is None or recurring is None or quantity is None:
        return Fraction(0)
    if recurring["usage_type"] == "metered":
        return Fraction(0)
    terms = price
    if price["currency"] != currency:
        terms = (price.get("currency_options") or {})[currency]
    units = Fraction(quantity)
    if packages := price.get("transform_quantity"):
        exact = units / packages["divide_by"]
        units = Fraction(-(-exact.numerator // exact.denominator))  # all of the tests round up
    if price["billing_scheme"] == "tiered":
        worth = tiered(price, terms["tiers"], units)
    else:
        worth = units * number(terms["unit_amount_decimal"])
    return worth / MONTHS[recurring["interval"]] / recurring["interval_count"]


def is_paid(versions: list[Version], moment: datetime) -> Version | None:
    """The version that counts just before a moment, if one does."""
    known = [version for version in versions if version.moment < moment]
    version = known[-1] if known else versions[0]
    payload = version.payload
    if version.deleted:
        return None
    start, trial_end = payload["start_date"], payload.get("trial_end")
    began = max(start, trial_end) if trial_end else start
    began_before = datetime.fromtimestamp(began, UTC) < moment
    if payload["status"] == "canceled":
        ended = payload.get("ended_at") or payload.get("canceled_at")
        lasts = ended is not None and datetime.fromtimestamp(ended, UTC) >= moment
        counts = version is versions[0] and began_before and lasts
    else:
        counts = payload["status"] in ("active", "past_due") and (bool(known) or began_before)
    return version if counts else None


class Discounts:
    """Which share of an amount, and which amount a month, the discounts of an object take."""

    def __init__(
        self, payloads: Payloads, sync: Any, currency: str, moment: datetime, ids: Iterable[str]
    ) -> None:
        self._coupons: list[Doc] = []
        for each in ids:
            discount = payloads.get("discount", sync, each)
            coupon_id = discount and (discount.get("source") or {}).get("coupon")
            coupon = payloads.get("coupon", sync, identifier(coupon_id)) if coupon_id else None
            if discount is None or coupon is None or coupon["duration"] == "once":
                continue
            end = discount.get("end")
            began = datetime.fromtimestamp(discount["start"], UTC) < moment
            if began and (end is None or datetime.fromtimestamp(end, UTC) >= moment):
                self._coupons.append(coupon)
        self._currency = currency

    def _for(self, price: Doc) -> Iterator[Doc]:
        for coupon in self._coupons:
            products = (coupon.get("applies_to") or {}).get("products")
            if products is None or price.get("product") in products:
                yield coupon

    def share_left(self, price: Doc) -> Fraction:
        share = Fraction(1)
        for coupon in self._for(price):
            share *= 1 - number(coupon.get("percent_off")) / 100
        return share

    def off(self, price: Doc) -> int:
        total = 0
        for coupon in self._for(price):
            options = coupon.get("currency_options") or {}
            if coupon.get("currency") == self._currency:
                total += coupon.get("amount_off") or 0
            else:
                total += (options.get(self._currency) or {}).get("amount_off", 0)
        return total


def mrr_of(
    payloads: Payloads, sync: Any, subscription: Doc, moment: datetime
) -> tuple[Fraction, Fraction]:
    """MRR before and after discounts, in minor units."""
    currency = subscription["currency"]
    names = [identifier(each) for each in subscription.get("discounts") or []]
    if not names:
        names = [
            discount["id"]
            for of, discount in payloads.of("discount")
            if of == sync
            and discount.get("customer") == subscription["customer"]
            and not discount.get("subscription")
            and not discount.get("subscription_item")
            and not discount.get("invoice")
            and not discount.get("invoice_item")
            and not discount.get("checkout_session")
        ]
    shared = Discounts(payloads, sync, currency, moment, names)
    before, after, largest = Fraction(0), Fraction(0), Fraction(0)
    for item in subscription["items"]["data"]:
        price = payloads.get("price", sync, identifier(item["price"]))
        worth = monthly(price, item.get("quantity"), currency)
        if price is None or worth <= 0:
            continue
        period = MONTHS[price["recurring"]["interval"]] * price["recurring"]["interval_count"]
        ids = [identifier(each) for each in item.get("discounts") or []]
        own = Discounts(payloads, sync, currency, moment, ids)
        before += worth
        left = worth * own.share_left(price) - own.off(price) / period
        after += max(left, Fraction(0)) * shared.share_left(price)
        largest = max(largest, shared.off(price) / period)
    return before, max(after - largest, Fraction(0))


def mrr_at(payloads: Payloads, moment: datetime) -> dict[Key, tuple[Fraction, Fraction]]:
    """MRR of each subscription by sync, subscription, customer and currency."""
    found = {}
    for (sync, name), versions in payloads.versions.items():
        version = is_paid(versions, moment)
        if version is not None:
            payload = version.payload
            key = (sync, name, payload["customer"], payload["currency"])
            found[key] = mrr_of(payloads, sync, payload, moment)
    return found


def customers_by_month(payloads: Payloads, now: datetime) -> dict[Key, dict[date, Fraction]]:
    """MRR at the ends of months, by sync, customer and currency."""
    found: dict[Key, dict[date, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    month = date(2025, 1, 1)
    while month <= now.date():
        end = datetime.combine(following(month), datetime.min.time(), UTC)
        for (sync, _, customer, currency), (_, mrr) in mrr_at(payloads, min(end, now)).items():
            if mrr > 0:
                found[sync, customer, currency][month] += mrr
        month = following(month)
    return found


def movements(payloads: Payloads, now: datetime) -> dict[Key, tuple[str, date, Fraction, Fraction]]:
    """Movement, cohort and both MRRs, by sync, customer, currency and month."""
    found: dict[Key, tuple[str, date, Fraction, Fraction]] = {}
    for key, balances in customers_by_month(payloads, now).items():
        month, start = min(balances), Fraction(0)
        cohort = month
        while month <= now.date():
            end = balances.get(month, Fraction(0))
            if start or end:
                name = "none" if end == start else "expansion" if end > start else "contraction"
                if not start:
                    name = "new" if month == cohort else "reactivation"
                elif not end:
                    name = "churn"
                found[*key, month] = name, cohort, start, end
            month, start = following(month), end
    return found
