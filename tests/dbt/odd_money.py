"""Subscriptions, payments and balances that are easily counted wrong, for the demo's shop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

Doc = dict[str, Any]

_SECOND_SYNC = UUID(int=0xB)


class Stream:
    """Writes versions of objects into the records and change events of a sync."""

    def __init__(self, connection: psycopg.Connection[Any], sync_id: UUID, first_seq: int) -> None:
        self._connection = connection
        self._sync_id = sync_id
        self._seq = first_seq

    def put(
        self,
        kind: str,
        payload: Doc,
        moment: str = "2026-11-01",
        *,
        deleted: bool = False,
        event: bool = True,
        parent: str | None = None,
    ) -> None:
        """Store a version; without ``event`` as a backfill does that keeps no created events."""
        self._seq += 1
        payload = {"object": kind, **payload}
        values = {
            "sync": self._sync_id,
            "collection": f"stripe:{kind}",
            "id": f"{parent}:{payload['id']}" if parent else payload["id"],
            "payload": Jsonb(payload),
            "moment": at(moment),
            "seq": self._seq,
            "deleted": deleted,
            "type": "deleted" if deleted else "updated",
            "parent": parent,
            "uuid": uuid4(),
        }
        self._connection.execute(
            """
            INSERT INTO stripe_raw.records (id, sync_id, resource_id, collection_id, upstream_id,
                deleted, payload, payload_hash, inserted_at, updated_at, upstream_updated_at,
                updated_idx, seq, observed_at, api_version, parent_id)
            VALUES (%(uuid)s, %(sync)s, %(sync)s, %(collection)s, %(id)s, %(deleted)s, %(payload)s,
                'hash', %(moment)s, %(moment)s, %(moment)s, 1, %(seq)s, %(moment)s, '2026',
                %(parent)s)
            ON CONFLICT (collection_id, sync_id, upstream_id) DO UPDATE SET
                payload = excluded.payload, seq = excluded.seq, deleted = excluded.deleted
            """,
            values,
        )
        if event:
            self._connection.execute(
                """
                INSERT INTO stripe_raw.events (id, sync_id, resource_id, collection_id,
                    upstream_id, event_type, data, created_at, upstream_updated_at, seq, source,
                    api_version)
                VALUES (%(uuid)s, %(sync)s, %(sync)s, %(collection)s, %(id)s, %(type)s, %(payload)s,
                    %(moment)s, %(moment)s, %(seq)s, 'poll', '2026')
                """,
                values,
            )

    def subscription(self, name: str, moment: str, items: list[Doc], **fields: Any) -> None:
        """Store a version of a subscription and of its items."""
        payload = {
            "id": name,
            "customer": f"cus_of_{name}",
            "currency": "eur",
            "status": "active",
            "start_date": unix("2026-01-10"),
            "discounts": [],
            "items": {"data": items},
            **fields,
        }
        options = {key: payload.pop(key) for key in ("deleted", "event") if key in payload}
        self.put("subscription", payload, moment, **options)
        for item in items:
            self.put("subscription_item", {**item, "subscription": name}, moment, **options)


def at(moment: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


def unix(moment: str) -> int:
    """A moment as Stripe has it."""
    return int(at(moment).timestamp())


def days_ago(days: float) -> int:
    """A moment before now, as Stripe has it."""
    return int((datetime.now(UTC) - timedelta(days=days)).timestamp())


def add_odd_money(connection: psycopg.Connection[Any]) -> None:
    """Add the odd cases to the sync of a warehouse, and others of the same ids to a second one."""
    row = connection.execute("SELECT id, resource_id FROM stripe_sync.syncs").fetchone()
    assert row is not None
    connection.execute(
        "INSERT INTO stripe_sync.syncs (id, name, resource_id, account_id, livemode, api_version)"
        " VALUES (%s, 'second', %s, 'acct_2', true, '2026')",
        [_SECOND_SYNC, _SECOND_SYNC],
    )
    for sync_id, factor in ((row["id"], 1), (_SECOND_SYNC, 3)):
        stream = Stream(connection, sync_id, 1_000_000)
        for name, price in prices(factor).items():
            stream.put("price", {"id": name, "type": "recurring", **price})
        _subscribe(stream)
        _discount(stream)
        _pay(stream, factor)
        _settle(stream, factor)
        _invoice(stream, factor)


def _recurring(interval: str, count: int = 1, usage: str = "licensed") -> Doc:
    return {"interval": interval, "interval_count": count, "usage_type": usage}


def prices(factor: int) -> Mapping[str, Doc]:
    """Prices of all kinds by id; amounts are multiplied by the factor."""
    tiers = [
        {"up_to": 5, "unit_amount": 1000 * factor, "unit_amount_decimal": str(1000 * factor),
         "flat_amount": 500, "flat_amount_decimal": "500"},
        {"up_to": 10, "unit_amount": None, "unit_amount_decimal": "799.5",
         "flat_amount": None, "flat_amount_decimal": None},
        {"up_to": None, "unit_amount": 400, "unit_amount_decimal": "400",
         "flat_amount": 300, "flat_amount_decimal": "300"},
    ]  # fmt: skip
    tiered = {"currency": "eur", "billing_scheme": "tiered", "recurring": _recurring("month")}
    unit = {"currency": "eur", "billing_scheme": "per_unit"}

    def of(amount: int) -> Doc:
        return {"unit_amount": amount * factor, "unit_amount_decimal": str(amount * factor)}

    return {
        "month": {**unit, **of(1500), "recurring": _recurring("month")},
        "year": {**unit, **of(10000), "recurring": _recurring("year")},
        "fortnight": {**unit, **of(700), "recurring": _recurring("week", 2)},
        "day": {**unit, **of(100), "recurring": _recurring("day", 3)},
        "fraction": {**unit, "unit_amount": None, "unit_amount_decimal": "0.25",
                     "recurring": _recurring("month", 3)},
        "metered": {**unit, **of(999), "recurring": _recurring("month", 1, "metered")},
        "once": {**unit, **of(5000), "type": "one_time", "recurring": None},
        "graduated": {**tiered, "tiers_mode": "graduated", "tiers": tiers},
        "volume": {**tiered, "tiers_mode": "volume", "tiers": tiers},
        "package": {**unit, **of(900), "recurring": _recurring("month"),
                    "transform_quantity": {"divide_by": 10, "round": "up"}},
        "yen": {**unit, **of(500), "currency": "jpy", "recurring": _recurring("month")},
        "krona": {**unit, **of(990000), "currency": "isk", "recurring": _recurring("year")},
        "shilling": {**unit, **of(370000), "currency": "ugx", "recurring": _recurring("month")},
        "dollar": {**unit, **of(2000), "currency": "usd", "recurring": _recurring("month"),
                   "currency_options": {"eur": of(1800)}},
    }  # fmt: skip


def item(price: str, quantity: int | None = 1, **fields: Any) -> Doc:
    """An item of a subscription, with the price as Stripe sends it."""
    return {"id": f"si_{uuid4().hex}", "price": {"id": price}, "quantity": quantity,
            "discounts": [], **fields}  # fmt: skip


def _subscribe(stream: Stream) -> None:
    stream.subscription("sub_mixed", "2026-03-01", [
        item("year", 3), item("fortnight"), item("day", 2), item("metered", None), item("once"),
        item("month", 0), item("dollar", 2), item("fraction", 10),
    ])  # fmt: skip
    for quantity in (0, 1, 5, 6, 10, 11, 25):
        stream.subscription(
            f"sub_tiers_{quantity}",
            "2026-03-01",
            [item("graduated", quantity), item("volume", quantity), item("package", quantity)],
            customer="cus_tiers",
        )
    for currency, price in (("jpy", "yen"), ("isk", "krona"), ("ugx", "shilling")):
        stream.subscription(
            f"sub_{currency}", "2026-03-01", [item(price)], currency=currency, customer="cus_world"
        )
    for status in ("trialing", "paused", "unpaid", "incomplete", "incomplete_expired", "past_due"):
        stream.subscription(f"sub_{status}", "2026-03-01", [item("month")], status=status)
    stream.subscription("sub_free", "2026-03-01", [item("month", 0)])
    stream.subscription("sub_kept_collecting", "2026-03-01", [item("month")],
                        pause_collection={"behavior": "void"})  # fmt: skip
    stream.subscription("sub_after_trial", "2026-05-01", [item("month")],
                        trial_end=unix("2026-02-10"))  # fmt: skip
    stream.subscription("sub_ended", "2026-08-01", [item("year")], status="canceled",
                        customer="cus_back", canceled_at=unix("2026-02-20"),
                        ended_at=unix("2026-03-10"))  # fmt: skip
    stream.subscription("sub_again", "2026-08-01", [item("month")], customer="cus_back",
                        start_date=unix("2026-06-30T23:59:59"))  # fmt: skip
    stream.subscription("sub_ended_in_trial", "2026-08-01", [item("month")], status="canceled",
                        trial_end=unix("2026-03-01"), ended_at=unix("2026-02-01"))  # fmt: skip
    stream.subscription("sub_gone", "2026-02-01", [item("month")])
    stream.subscription("sub_gone", "2026-05-01", [item("month")], deleted=True)
    stream.subscription("sub_without_event", "2026-05-01", [item("month")], event=False)
    _change(stream)


def _change(stream: Stream) -> None:
    """A life of changes, two of them in one second, one at the first moment of a month."""
    licence = item("month")
    for moment, quantity, fields in (
        ("2026-02-01", 1, {}),
        ("2026-03-15", 1, {"cancel_at_period_end": True, "canceled_at": unix("2026-03-15")}),
        ("2026-03-20", 3, {}),
        ("2026-04-01", 2, {}),
        ("2026-05-02", 9, {}),
        ("2026-05-02", 2, {"status": "past_due"}),
        ("2026-06-10", 2, {"status": "unpaid"}),
        ("2026-08-20", 4, {}),
        ("2026-10-05", 4, {"status": "canceled", "ended_at": unix("2026-10-05")}),
        ("2026-10-06", 4, {"status": "canceled", "metadata": {"late": "change"}}),
    ):
        stream.subscription("sub_life", moment, [{**licence, "quantity": quantity}], **fields)


def _discount(stream: Stream) -> None:
    forever = {"duration": "forever", "percent_off": 25}
    coupons: dict[str, Doc] = {
        "quarter": forever,
        "all": {"duration": "forever", "percent_off": 100},
        "third": {"duration": "repeating", "percent_off": 33.3},
        "four": {"duration": "repeating", "amount_off": 400, "currency": "eur"},
        "five": {"duration": "forever", "amount_off": 500, "currency": "usd",
                 "currency_options": {"eur": {"amount_off": 450}}},
        "once": {"duration": "once", "percent_off": 50},
        "boats": {**forever, "applies_to": {"products": ["prod_boat"]}},
    }  # fmt: skip
    for name, coupon in coupons.items():
        stream.put("coupon", {"id": name, **coupon})
        stream.put("discount", {
            "id": f"di_{name}", "source": {"type": "coupon", "coupon": name},
            "subscription": "sub_any", "start": unix("2026-02-15"),
            "end": unix("2026-06-15") if coupon["duration"] == "repeating" else None,
        })  # fmt: skip
    stream.put("price", {"id": "boat", "type": "recurring", "product": "prod_boat",
                         **prices(2)["month"]})  # fmt: skip
    stream.put("discount", {"id": "di_customer", "source": {"type": "coupon", "coupon": "quarter"},
                            "customer": "cus_dear", "start": unix("2026-04-02")})  # fmt: skip
    for number, names in enumerate(
        (["third"], ["all"], ["four"], ["five", "once"], ["quarter", "third"], ["boats"])
    ):
        stream.subscription(
            f"sub_discounts_{number}",
            "2026-07-01",
            [
                item("year", 12),
                item("month", 2, discounts=["di_quarter", {"id": "di_four"}]),
                item("boat"),
            ],
            discounts=[f"di_{name}" for name in names],
        )
    stream.subscription("sub_dear", "2026-07-01", [item("month")], customer="cus_dear")
    stream.subscription("sub_dear_2", "2026-07-01", [item("month")], customer="cus_dear",
                        discounts=["di_third"])  # fmt: skip


def _pay(stream: Stream, factor: int) -> None:
    paid = {"status": "succeeded", "paid": True, "captured": True, "customer": "cus_world"}
    for number, (currency, amount) in enumerate(
        [("eur", 1234), ("eur", 66), ("jpy", 500), ("isk", 10000), ("ugx", 370000), ("kwd", 1234)]
    ):
        amounts = {"amount": amount * factor, "amount_captured": amount * factor}
        stream.put("charge", {"id": f"ch_{number}", "currency": currency, **paid, **amounts,
                              "created": unix(f"2026-0{number + 3}-01")})  # fmt: skip
    stream.put(
        "charge",
        {
            **paid,
            "id": "ch_part",
            "currency": "eur",
            "amount": 900,
            "amount_captured": 300,
            "created": unix("2026-03-31T23:59:59"),
        },
    )
    stream.put("charge", {**paid, "id": "ch_held", "currency": "eur", "amount": 900,
                          "amount_captured": 0, "captured": False,
                          "created": unix("2026-03-31")})  # fmt: skip
    for number, (code, reason) in enumerate(
        [("card_declined", "insufficient_funds"), ("card_declined", "generic_decline"),
         ("card_declined", "generic_decline"), ("expired_card", None), (None, None)]
    ):  # fmt: skip
        outcome = {"reason": reason} if reason else None
        stream.put("charge", {"id": f"ch_failed_{number}", "status": "failed", "currency": "eur",
                              "amount": 100, "amount_captured": 0, "failure_code": code,
                              "outcome": outcome, "created": unix("2026-04-05")})  # fmt: skip
    for number, status in enumerate(
        ("succeeded", "pending", "failed", "canceled", "requires_action")
    ):
        # In a month without payments, and after the dispute of its charge.
        stream.put("refund", {"id": f"re_{number}", "charge": "ch_0", "currency": "eur",
                              "amount": 100 + number, "status": status,
                              "created": unix("2026-01-20")})  # fmt: skip
    for number, status in enumerate(("lost", "lost", "won", "under_review", "warning_closed")):
        stream.put("dispute", {"id": f"du_{number}", "charge": "ch_0", "reason": "fraudulent",
                               "currency": "jpy" if number else "eur", "status": status,
                               "amount": 1234, "created": unix("2026-01-15")})  # fmt: skip


def _settle(stream: Stream, factor: int) -> None:
    transactions = [
        ("charge", 10000 * factor, 320, "eur"),
        ("charge", 5000, 150, "jpy"),
        ("charge_failure", -700, 0, "eur"),
        ("partial_capture_reversal", -90, 0, "eur"),
        ("refund", -2500, 0, "eur"),
        ("refund_failure", 500, 0, "eur"),
        ("dispute", -1234, 1500, "eur"),
        ("dispute_reversal", 1234, -1500, "eur"),
        ("fee", -250, 0, "eur"),
        ("network_cost", -30, 5, "eur"),
        ("transfer", -4000, 10, "eur"),
    ]
    made: list[Doc] = []
    for number, (category, amount, fee, currency) in enumerate(transactions):
        made.append({
            "id": f"txn_{number}", "type": category, "reporting_category": category,
            "amount": amount, "fee": fee, "net": amount - fee, "currency": currency,
            "created": unix("2026-04-30T23:59:59") + number,
        })  # fmt: skip
        stream.put("balance_transaction", made[-1])
    for payout, parts in _payouts(made):
        stream.put("payout", payout)
        own = {**made[0], "id": f"txn_{payout['id']}", "type": "payout", "fee": 0,
               "amount": -payout["amount"], "net": -payout["amount"]}  # fmt: skip
        for transaction in [*parts, own] if parts else []:
            child = {**transaction, "payout": payout["id"]}
            stream.put("payout_balance_transaction", child, parent=payout["id"])


def _payouts(transactions: list[Doc]) -> Iterator[tuple[Doc, list[Doc]]]:
    euros = [each for each in transactions if each["currency"] == "eur"]
    automatic = {"automatic": True, "status": "paid", "currency": "eur"}
    for number, parts in enumerate((euros[:1], euros[1:5])):
        amount = sum(each["net"] for each in parts)
        yield {"id": f"po_{number}", "amount": amount, **automatic,
               "arrival_date": unix("2026-05-03")}, parts  # fmt: skip
    yield {"id": "po_manual", **automatic, "automatic": False, "amount": 77,
           "arrival_date": unix("2026-05-04")}, []  # fmt: skip


def _invoice(stream: Stream, factor: int) -> None:
    for number, due in enumerate((None, -5, 1, 29, 31, 59, 61, 400)):
        for status in ("open", "void", "uncollectible", "paid", "draft"):
            fields = {
                "id": f"in_{status}_{number}",
                "status": status,
                "currency": "jpy" if number % 3 == 0 else "eur",
                "amount_remaining": (100 + number) * factor,
                "due_date": None if due is None else days_ago(due),
                "created": days_ago(500),
            }
            stream.put("invoice", fields)
    stream.put("invoice", {"id": "in_gone", "status": "open", "currency": "eur",
                           "amount_remaining": 1, "due_date": None}, deleted=True)  # fmt: skip
