"""What the marts of money must have, counted in Python from the payloads of all records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg

Doc = dict[str, Any]
Key = tuple[Any, ...]

ZERO_DECIMALS = {
    *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv"),
    *("xaf", "xof", "xpf"),
}
THREE_DECIMALS = {"bhd", "jod", "kwd", "omr", "tnd"}


def amount(minor_units: Fraction | int, currency: str) -> Decimal:
    """An amount in the currency itself."""
    decimals = 0 if currency in ZERO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    whole = (abs(Fraction(minor_units)) + Fraction(1, 2)).__floor__()  # halves away from zero
    return Decimal(whole if minor_units >= 0 else -whole).scaleb(-decimals)


def month_of(unix: int) -> date:
    return datetime.fromtimestamp(unix, UTC).date().replace(day=1)


def following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


@dataclass(frozen=True)
class Version:
    """A version of a subscription and when it began."""

    moment: datetime
    deleted: bool
    payload: Doc


class Payloads:
    """All that is stored, as it came from Stripe."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._records: dict[str, dict[tuple[Any, str], Doc]] = defaultdict(dict)
        self.versions: dict[tuple[Any, str], list[Version]] = defaultdict(list)
        self.parents: list[tuple[Any, str, Doc]] = []
        for row in connection.execute("SELECT * FROM stripe_raw.records"):
            kind = row["collection_id"].removeprefix("stripe:")
            if not row["deleted"]:
                self._records[kind][row["sync_id"], row["upstream_id"]] = row["payload"]
            if kind == "payout_balance_transaction":
                self.parents.append((row["sync_id"], row["parent_id"], row["payload"]))
        rows = connection.execute(
            "SELECT * FROM stripe_raw.events WHERE collection_id = 'stripe:subscription'"
            " ORDER BY seq"
        )
        for row in rows:
            version = Version(
                row["upstream_updated_at"], row["event_type"] == "deleted", row["data"]
            )
            self.versions[row["sync_id"], row["upstream_id"]].append(version)
        for row in connection.execute(
            "SELECT * FROM stripe_raw.records WHERE collection_id = 'stripe:subscription'"
        ):
            known = self.versions[row["sync_id"], row["upstream_id"]]
            if not known:
                known.append(Version(row["updated_at"], row["deleted"], row["payload"]))

    def of(self, kind: str) -> Iterator[tuple[Any, Doc]]:
        """Sync and payload of each object that is not deleted."""
        return ((sync, payload) for (sync, _), payload in self._records[kind].items())

    def get(self, kind: str, sync: Any, object_id: str) -> Doc | None:
        """The object with an id."""
        return self._records[kind].get((sync, object_id))


# Payments and balances ---------------------------------------------------------------------------

Sums = dict[Key, dict[str, int]]


def summed(rows: Iterable[tuple[Key, dict[str, int]]]) -> Sums:
    """Sums of numbers by key."""
    found: Sums = defaultdict(lambda: defaultdict(int))
    for key, values in rows:
        for name, value in values.items():
            found[key][name] += value
    return found


def revenue(payloads: Payloads) -> Sums:
    def rows() -> Iterator[tuple[Key, dict[str, int]]]:
        for sync, charge in payloads.of("charge"):
            if charge["status"] == "succeeded" and charge["amount_captured"]:
                key = (sync, month_of(charge["created"]), charge["currency"])
                yield key, {"payments": 1, "gross": charge["amount_captured"]}
        for sync, refund in payloads.of("refund"):
            if refund["status"] in ("succeeded", "pending"):
                key = (sync, month_of(refund["created"]), refund["currency"])
                yield key, {"refunds": 1, "refunded": refund["amount"]}

    found = summed(rows())
    for values in found.values():
        values["revenue"] = values["gross"] - values["refunded"]
    return found


PARTS = {
    "charge": "gross", "charge_failure": "gross", "partial_capture_reversal": "gross",
    "refund": "refunds", "refund_failure": "refunds",
    "dispute": "disputes", "dispute_reversal": "disputes",
    "fee": "fees", "network_cost": "fees",
}  # fmt: skip


def net_revenue(payloads: Payloads) -> Sums:
    def rows() -> Iterator[tuple[Key, dict[str, int]]]:
        for sync, each in payloads.of("balance_transaction"):
            if part := PARTS.get(each["reporting_category"]):
                key = (sync, month_of(each["created"]), each["currency"])
                yield key, {part: each["amount"] if part == "gross" else -each["amount"]}
                yield key, {"fees": each["fee"], "net": each["net"]}

    return summed(rows())


def balance(payloads: Payloads) -> Sums:
    return summed(
        (
            (sync, month_of(each["created"]), each["reporting_category"], each["currency"]),
            {"transactions": 1, "gross": each["amount"], "fees": each["fee"], "net": each["net"]},
        )
        for sync, each in payloads.of("balance_transaction")
    )


def fees(payloads: Payloads) -> Sums:
    def rows() -> Iterator[tuple[Key, dict[str, int]]]:
        for sync, each in payloads.of("balance_transaction"):
            category = each["reporting_category"]
            key = (sync, month_of(each["created"]), category, each["currency"])
            if category in ("fee", "network_cost"):
                yield key, {"transactions": 1, "fees": each["fee"] - each["amount"]}
            elif each["fee"]:
                yield key, {"transactions": 1, "fees": each["fee"], "volume": abs(each["amount"])}

    return summed(rows())


def failed(payloads: Payloads) -> Sums:
    return summed(
        (
            (
                sync,
                month_of(charge["created"]),
                charge["currency"],
                charge["failure_code"] or "none",
                (charge["outcome"] or {}).get("reason") or "none",
            ),
            {"charges": 1, "amount": charge["amount"]},
        )
        for sync, charge in payloads.of("charge")
        if charge["status"] == "failed"
    )


def disputes(payloads: Payloads) -> Sums:
    def rows() -> Iterator[tuple[Key, dict[str, int]]]:
        for sync, each in payloads.of("dispute"):
            key = (sync, month_of(each["created"]), each["currency"], each["reason"])
            status = each["status"] if each["status"] in ("won", "lost") else "others"
            lost = each["amount"] if status == "lost" else 0
            yield key, {"disputes": 1, status: 1, "amount": each["amount"], "amount_lost": lost}

    return summed(rows())


def ageing(payloads: Payloads, now: datetime) -> Sums:
    def overdue(invoice: Doc) -> str:
        days = (now.timestamp() - invoice["due_date"]) / 86_400 if invoice.get("due_date") else -1
        if days < 0:
            return "not due"
        return "1 to 30 days" if days < 30 else "31 to 60 days" if days < 60 else "over 60 days"

    return summed(
        (
            (sync, invoice["currency"], overdue(invoice)),
            {"invoices": 1, "open": invoice["amount_remaining"]},
        )
        for sync, invoice in payloads.of("invoice")
        if invoice["status"] == "open"
    )


def payouts(payloads: Payloads) -> Sums:
    found: Sums = {}
    for sync, payout in payloads.of("payout"):
        parts = [
            each
            for of, parent, each in payloads.parents
            if (of, parent) == (sync, payout["id"]) and each["type"] != "payout"
        ]
        values = {"paid_out": payout["amount"], "transactions": len(parts)}
        if parts:
            values |= {
                "gross": sum(each["amount"] for each in parts),
                "fees": sum(each["fee"] for each in parts),
                "explained": sum(each["net"] for each in parts),
                "difference": 0,
            }
        found[sync, payout["id"], payout["currency"]] = values
    return found
